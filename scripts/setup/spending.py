"""Shows what the calls to services cost: `python -m scripts.setup.spending [FILE]`.

One line per stage, model, version that answered and state; dollars at the prices in
config/prices.tsv when the call was made. FILE is the store of answers, by default that of the run
in this folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.common.errors import UserError
from scripts.services import settings
from scripts.services.response_store import Store
from scripts.workflow.stage import run_config

HEAD = ("stage", "model", "version", "state", "calls", "tokens", "USD")


def table(path: Path) -> str:
    """The ledger of the store at `path`. Raises UserError if there is no store."""
    if not path.is_file():
        raise UserError(f"there is no store of answers at {path}: no service was asked yet.")
    store = Store(path)
    rows = store.summary()
    store.close()
    lines = [
        (
            stage or "-",
            endpoint,
            version or "-",
            state,
            f"{calls}",
            f"{tokens or 0:.0f}",
            f"{usd:.4f}",
        )
        for stage, endpoint, version, state, calls, tokens, usd in rows
    ]
    total = (sum(row[4] for row in rows), sum(row[5] or 0 for row in rows), sum(r[6] for r in rows))
    lines.append(("all", "", "", "", f"{total[0]}", f"{total[1]:.0f}", f"{total[2]:.4f}"))
    wide = [max(len(line[n]) for line in (HEAD, *lines)) for n in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.rjust(size) if n > 3 else cell.ljust(size)
            for n, (cell, size) in enumerate(zip(line, wide, strict=True))
        ).rstrip()
        for line in (HEAD, *lines)
    )


if __name__ == "__main__":
    try:
        print(table(Path(sys.argv[1]) if sys.argv[1:] else settings.rules(run_config()).store))
    except UserError as error:
        sys.exit(f"spending: {error}")
