"""What is wrong with the config of full duplex, found before any job.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.common.tables import located
from scripts.duplex.material import check_known, read_known
from scripts.duplex.measuring import labelled, ratings_of, read_distributions
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec


def check_settings(duplex: Mapping[str, Any], local: Callable[[str], str]) -> None:
    """Raises UserError for settings (`duplex` of the config) that a job would refuse or not fill.
    `local` finds a file of the project."""
    if not duplex["systems"] and not duplex["recorded"]:
        raise UserError(
            "duplex.systems: nothing is to be scored; name a system, or `recorded` sides."
        )
    roles, asked = duplex["scenarios"]["roles"], duplex["scenarios"]["asked"]
    if asked > roles:
        raise UserError(
            f"duplex.scenarios.asked: {asked} roles cannot be asked of {roles} (`roles`); lower it "
            "or raise `roles`."
        )
    table = local("config/duplex/service_roles.tsv")
    count = len(located(Path(table), "service_roles"))
    if roles > count and not duplex["scenarios"]["llm"]:
        raise UserError(
            f"duplex.scenarios.roles: {roles} are wanted, and {table} has {count}; lower it, add "
            "some there, or name an `llm` that writes them."
        )
    known, lines = duplex["known"], Path(local("config/duplex/known.yaml"))
    own = [known[key] for key in ("voices", "system_voice", "each", "wait", "reply")]
    check_known(read_known(lines), lines, *own)
    for name, own in duplex["collections"].items():
        if "voice" in own and not Path(local(own["voice"])).is_file():
            raise UserError(f"duplex.collections.{name}.voice: there is no file {own['voice']}.")
    if duplex["expected"]:
        try:
            read_distributions(Path(local(duplex["expected"])))
        except UserError as error:
            raise UserError(f"duplex.expected: {error}") from error
    if Path(local(duplex["ratings"])).is_file():
        ratings_of(Path(local(duplex["ratings"])))


def check_measuring(asr: Mapping[str, ModelSpec], speakers: Mapping[str, ModelSpec]) -> None:
    """Raises UserError for recognisers without times of words, and for models, by their names in
    the config, that scores would not tell apart."""
    for name, spec in asr.items():
        if not specs.option(spec, "word_times"):
            has = "word_times" in specs.options_of(spec)
            what = "set `word_times: true` there" if has else "name another recogniser"
            raise UserError(
                f"duplex.asr: models.{name} ({spec.label}) tells no times of words, which turn "
                f"taking is measured with; {what}."
            )
    for key, models in (("asr", asr), ("speakers", speakers)):
        try:
            labelled(list(models.values()))
        except UserError as error:
            raise UserError(f"duplex.{key}: {error}") from error
