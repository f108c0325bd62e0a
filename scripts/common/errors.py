"""What goes wrong: the error that a person can mend, and how memory that ran out is known."""

from __future__ import annotations


class UserError(Exception):
    """A fault that a person can mend: one sentence that says what, where and the way out."""


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    # By name: where torch is not installed, none of its errors come. On the CPU it has no class.
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "can't allocate" in str(error)
