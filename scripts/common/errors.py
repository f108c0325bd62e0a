"""The error that a user can fix, and detection of out-of-memory errors."""

from __future__ import annotations


class UserError(Exception):
    """An error that a user can fix: one sentence that says what, where and how to fix it."""


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out, on a GPU or on the CPU."""
    # By name, as torch may not be installed. On the CPU it raises a plain RuntimeError.
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "can't allocate" in str(error)
