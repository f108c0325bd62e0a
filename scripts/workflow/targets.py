"""Targets that nothing makes are answered with the nearest name. Imported by the Snakefile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scripts.common.documents import near
from scripts.common.errors import UserError
from scripts.workflow import guards

# What the command line can name: the targets and the options of the same names.
ASKED = ("targets", "forcerun", "until", "omit_from")


def refuse_unknown_targets(workflow: Any) -> None:
    """Raise UserError for the first name on Snakemake's command line that is no rule, no file that
    one makes and no file that is there."""
    settings = guards.part(workflow, "dag_settings")
    is_rule = guards.part(workflow, "is_rule")
    makers = guards.part(workflow, "dag.output_index.match_producers")
    asked = [name for option in ASKED for name in sorted(guards.part(settings, option))]
    unknown = [
        name
        for name in asked
        if not is_rule(name) and not makers(str(Path(name))) and not Path(name).exists()
    ]
    if unknown:
        rules = [rule for rule in guards.part(workflow, "rules") if not rule.has_wildcards()]
        files = [str(file) for rule in rules for file in rule.output]
        raise UserError(no_target(unknown[0], [rule.name for rule in rules], files))


def no_target(name: str, targets: Sequence[str], files: Iterable[str]) -> str:
    """A sentence about a name that is no target, with the nearest of `targets` or `files`."""
    close = near(name, files) if "/" in name else near(name, targets)
    meant = f"did you mean '{close}'?" if close else "`snakemake --list-target-rules` lists them."
    return f"there is no target '{name}'; {meant}"
