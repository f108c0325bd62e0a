"""Cost of calls to services: the price table and the units that services bill.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.common import documents, json_path
from scripts.common.errors import UserError
from scripts.common.tables import read_table

TOKENS = ("input token", "output token", "input audio token", "output audio token")


def price(path: Path, address: str, model: str) -> dict[str, float]:
    """The price in dollars of each unit that a service bills, from the price table.

    Raises UserError, with the nearest model, if the table does not have it.
    """
    host = urlsplit(address).hostname
    rows = read_table(path, "prices")
    own = [row for row in rows if row["host"] == host and row["model"] == model]
    if not own:
        known = {row["model"] for row in rows if row["host"] == host}
        hint = documents.nearest(model, known) if known else "."
        raise UserError(
            f"{path} has no price of '{model}' at {host}{hint} Add its rows, with date and source: "
            "nothing is bought whose price is not known."
        )
    return {row["unit"]: float(row["usd"]) / float(row["per"]) for row in own}


def cost(prices: Mapping[str, float], used: Mapping[str, float], who: str) -> float:
    """The cost in dollars. Raises UserError for a unit without a price."""
    for unit, amount in used.items():
        if amount and unit not in prices:
            raise UserError(
                f"the prices of {who} lack the unit '{unit}'{documents.nearest(unit, prices)}"
            )
    return sum(prices[unit] * amount for unit, amount in used.items() if amount)


def tokens(
    most: Mapping[str, float],
    read: float | None,
    heard: float | None,
    written: float | None,
    spoken: float | None = None,
    total: float | None = None,
) -> dict[str, float]:
    """A service's usage in units of config/prices.tsv: tokens read, `heard` of them audio, and
    tokens written, `spoken` of them audio.

    Unstated (None) or impossible counts (none read, more audio than tokens) count as reserved: as
    in `most`, the most that a call may use. Tokens that appear only in its `total`, as reasoning
    does in some services, count as written.
    """
    found: dict[str, float] = {}
    if total is not None and read is not None and written is not None:
        written = max(written, total - read)
    for text, audio, whole, part in (
        (*TOKENS[0::2], read, heard),
        (*TOKENS[1::2], written, spoken),
    ):
        reserved = {unit: most[unit] for unit in (text, audio) if most.get(unit)}
        if part is None and whole is not None:
            part = min(most.get(audio, 0), whole)
        if not whole or part is None or part > whole:
            found |= reserved
        else:
            found |= {unit: n for unit, n in ((text, whole - part), (audio, part)) if n}
    return found


def audio_among(rows: Any, name: str, whole: float | None) -> int | None:
    """How many of `whole` tokens are audio, by a list like Google's with a count, called `name`,
    for each modality. None if unknown: it has other modalities, or does not add up."""
    if not isinstance(rows, list) or not rows:
        return None
    told: dict[str, list[int | None]] = {"AUDIO": [], "TEXT": []}
    for row in rows:
        told.setdefault(str(json_path.at(row, "modality")), []).append(json_path.number(row, name))
    sums = {kind: sum(n for n in counts if n is not None) for kind, counts in told.items()}
    if len(told) > 2 or None in told["AUDIO"]:
        return None
    adds_up = None in told["TEXT"] or sums["AUDIO"] + sums["TEXT"] == whole
    return sums["AUDIO"] if adds_up else None


def widened(most: Mapping[str, float], cuts: int) -> dict[str, float]:
    """The most that a call may use after `cuts` truncations: twice the output each time."""
    return {unit: n * (2**cuts if "output" in unit else 1) for unit, n in most.items()}


def used_or_reserved(
    used: Mapping[str, float | None], most: Mapping[str, float]
) -> dict[str, float]:
    """A service's stated usage, with the reserved amount where it states none or 0."""
    return {unit: count or most[unit] for unit, count in used.items()}
