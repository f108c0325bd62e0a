"""Generates the README's table of backends from the backends themselves.

`python -m scripts.setup.backends_table` prints it; `--write README.md` inserts it between the two
markers in that file.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from scripts.common.errors import UserError
from scripts.workflow import requirements, specs
from scripts.workflow.model_spec import ModelSpec

BEGIN, END = "<!-- backends: made by scripts/setup/backends_table.py -->", "<!-- /backends -->"
HEAD = "| Capability | Backend | What it is | Environment | GPU | Weights |"


def table() -> str:
    """The table in Markdown: one line per backend, grouped by capability."""
    lines = [HEAD, "| --- | --- | --- | --- | --- | --- |"]
    for capability in specs.capabilities():
        for backend in specs.backends(capability):
            spec = ModelSpec(capability, backend)
            cells = [
                capability,
                f"`{backend}`",
                what(specs.BACKENDS / capability / f"{backend}.py"),
                ", ".join(specs.envs(spec)),
                "yes" if specs.constant(spec, "GPU") else "no",
                ", ".join(f"`{name}`" for name in requirements.needed(spec)) or "–",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def what(file: Path) -> str:
    """The first line of a backend's docstring, which describes it."""
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".").replace("|", "\\|")


def written(page: str) -> str:
    """`page` with the table between its markers. Raises UserError if they are missing."""
    if BEGIN not in page or END not in page:
        raise UserError(f"the page has no marks for the table: {BEGIN} and {END}.")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        page = Path(sys.argv[2])
        page.write_text(written(page.read_text("utf-8")), encoding="utf-8")
    else:
        print(table())
