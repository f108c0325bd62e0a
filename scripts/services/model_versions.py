"""Whether the model that answered is the one that was asked for.

Services answer with a dated or numbered name of the same model: `gpt-4.1-2025-04-14` for
`gpt-4.1`, `models/gemini-2.5-pro-001` for `gemini-2.5-pro`. Any other name is another model: a
hosted model can be routed to a successor from one day to the next.
"""

from __future__ import annotations

import re

# What may follow a model's name: a date (2025-04-14, 20250414, 0414) or a revision of three digits.
MONTH, DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
SUFFIX = re.compile(rf"[-@](?:20\d\d-{MONTH}-{DAY}|20\d\d{MONTH}{DAY}|{MONTH}{DAY}|\d\d\d)")


def same_model(asked: str, answered: str) -> bool:
    """Whether `answered` names the model `asked`: the same name, perhaps with a suffix (SUFFIX).
    Case, and what stands before the last slash, do not matter. A date that was asked for must be
    stated."""
    one, other = bare(asked), bare(answered)
    rest = other.removeprefix(one)
    return other == one or (rest != other and SUFFIX.fullmatch(rest) is not None)


def bare(name: str) -> str:
    """A model's name without a provider's or folder's, in lower case."""
    return name.strip().rpartition("/")[2].casefold()
