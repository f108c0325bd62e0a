"""The tests and their shared helpers (a package, because others install a `tests` package too)."""
