"""The tests, and what they share (a package of its own, as others install a `tests` too)."""
