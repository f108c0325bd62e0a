"""What a run's configuration does in another way than the paper, what in the same, and what the
paper leaves open.

config/published/setup.tsv lists how the paper was made, and where the config says what a run does;
no result is read. What the code does alike in every run is in FIXED.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common import audio
from scripts.common.tables import read_table
from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import PAPER_METRICS, SYSTEMS, as_printed, read_published
from scripts.paper.report.systems_table import describe
from scripts.workflow import specs, stage
from scripts.workflow.model_spec import ModelSpec

COLUMNS = {"part": "Part", "what": "What", "paper": "The paper", "run": "This configuration"}
COLUMNS |= {"source": "Source"}
PARTS = ("corpus", "roles", "dialogues", "systems", "judging")
STOOD_FOR = PARTS[:3]  # by a benchmark
USERS = "voice of the users"
TITLES = {
    "no": "Not as in the paper",
    "open": "Left open by the paper",
    "yes": "As in the paper",
}
Found = tuple[str, bool | None]  # what the run does; whether the paper does too, None: left open
FIXED: dict[str, Found] = {  # what does not depend on the configuration
    "sound": (f"mono, {audio.RATE // 1000} kHz, by ffmpeg (as FLAC)", True),
    "framework": ("its steps one by one, with the models below", False),
    "standard": ("as the media have them; only what would clip is made quieter", False),
    "detected": ("in all speech", False),
    "heard_language": ("the one that media.tsv says", False),
    "text_filter": ("none", False),
    "reference_voice": ("the same, of clips in which one person alone speaks", False),
    "answers": ("0 for text; services that hear and speak: their default", None),
    "sample_rate": (f"{audio.RATE // 1000} kHz, mono, 16 bits, whatever was synthesised", None),
    "score": ("mean of test / reference over the items", True),
}
RELEASED = "as released"  # what a benchmark stands in for
OWN = ("=roles", "=pools", "split.single", "split.multi")  # of a benchmark: what was given of it


@dataclass(frozen=True)
class Run:
    """The configuration, and the tables that it names."""

    settings: dict[str, Any]
    roles: list[dict]  # with a pool
    media: list[dict]
    published_roles: list[dict]
    curated: int
    metrics: list[str]
    services: list[dict]

    def spec(self, name: str) -> ModelSpec:
        """The model `name` of the configuration."""
        models = self.settings["models"]
        kind = models[name]["capability"]
        return specs.resolve(models, name, kind, "deviations", self.settings["backend_paths"])


def deviations(
    published_setup: Path,
    published_roles: Path,
    test_items: Path,
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    settings: dict[str, Any],
    roles: list[dict],
    media: list[dict],
    metrics: list[str],
    services: list[dict],
) -> None:
    """One row a line of `published_setup`, and one a system that the paper does not have.

    `settings` is the merged config, `roles` and `media` the rows of its tables, `test_items` its
    table of curated items, `metrics` the ids of its metrics and `services` the rows of
    config/service_ends.tsv. csv: the columns of the page and `same`: yes, no, or open where the
    paper does not say.
    """
    curated = len(read_table(test_items, "test_items"))
    played = [row for row in roles if row["pool"]]
    run = Run(settings, played, media, read_published(published_roles), curated, metrics, services)
    rows = []
    for line in read_published(published_setup):
        key = str(line["key"])
        told, same = found(run, key, line["expected"], str(line["what"]))
        if settings["benchmark"] and line["part"] in STOOD_FOR and key not in OWN:
            told, same = RELEASED, True
        verdict = "open" if same is None else "yes" if same else "no"
        rows.append({key: str(line[key]) for key in COLUMNS if key != "run"} | {"run": told})
        rows[-1]["same"] = verdict
    for name in (*settings["evaluate"], *settings["released_replies"]):
        if as_printed(name) not in SYSTEMS:
            row = {"part": "systems", "what": name, "paper": "not among its systems"}
            row |= {"run": _evaluated(run, name), "source": "section 5.1", "same": "no"}
            rows.append(row)
    rows.sort(key=lambda row: PARTS.index(row["part"]))
    sections = [
        Section([row for row in rows if row["same"] == same], COLUMNS, title)
        for same, title in TITLES.items()
    ]
    counts = {same: sum(row["same"] == same for row in rows) for same in TITLES}
    notes = [
        f"Of {len(rows)} points {counts['no']} differ from the paper, {counts['yes']} agree with "
        f"it and {counts['open']} are left open by it. Computed from the configuration of this "
        "run: no result is read.",
        "Emilia-Pipe is what the paper says it used; its own steps are those of the public code. "
        "Released code: what was published with the paper, where its text is silent.",
    ]
    if settings["benchmark"]:
        notes.append(
            "`benchmark` stands in for media, roles and dialogues: those are as they were released."
        )
    if settings["released_scores"]:
        notes.append(
            "`released_scores` stand in for the run: of this configuration only tables are used."
        )
    title = "Deviations: this configuration beside the paper"
    header = [*COLUMNS, "same"]
    write_table(
        rows, table_csv, table_md, table_tex, title, notes, sections=sections, header=header
    )


def found(run: Run, key: str, expected: Any, what: str) -> Found:
    """What the configuration says of a line of the table, and whether it is the paper's."""
    if key.startswith("="):
        name = key[1:]
        return FIXED[name] if name in FIXED else COMPUTED[name](run, expected, what)
    path, _, option = key.partition(":")
    value: Any = run.settings
    for part in path.split("."):
        value = value[part]
    if option:
        return _option(run, value, option, expected)
    names = [*value.values()] if isinstance(value, dict) else value
    names = names if isinstance(names, list) else [names]
    if all(isinstance(name, str) and name in run.settings["models"] for name in names):
        return of_models([run.spec(name) for name in names], expected, what == USERS)
    return _plain(value), None if expected == "" else value == expected


def of_models(models: list[ModelSpec], expected: Any, users: bool = False) -> Found:
    """Models in words, and whether they are those with the `expected` names. The voices of `users`
    are named where they are meant, and nowhere else."""
    told = "; ".join(describe(_shown(model, users)) for model in models) or "none"
    if expected == "":
        return told, None
    known = {word for model in specs.with_nested(models) for word in _words(model)}
    return told, all(known & {*word.split("|")} for word in str(expected).split())


def _shown(model: ModelSpec, users: bool) -> ModelSpec:
    """A model with the options that are to be shown, defaults of users' voices among them."""
    voices = {name: specs.option(model, name) for name in specs.options_of(model)}
    voices = {name: value for name, value in voices.items() if name.startswith("user_") and value}
    options = {name: own for name, own in model.options.items() if not name.startswith("user_")}
    return model._replace(options=options | (voices if users else {}))


def _words(model: ModelSpec) -> set[str]:
    """The names that a model goes by: its backend and its text options, in small letters."""
    given = {**specs.defaults(specs.file_of(model)), **model.options}
    texts = [value.lower() for value in given.values() if isinstance(value, str)]
    return {model.backend, *texts, *(text.rpartition("/")[2] for text in texts)}


def _option(run: Run, name: str, option: str, expected: Any) -> Found:
    model = run.spec(name)
    if option not in specs.options_of(model):
        return f"{model.backend} has no such option", False if expected else None
    value = specs.option(model, option)
    return _plain(value), None if expected == "" else value == expected


def _plain(value: Any) -> str:
    return "not set" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _works(run: Run, expected: Any, what: str) -> Found:
    own = {row["work"] for row in run.media} & {row["work"] for row in run.roles}
    printed = {row["source"] for row in run.published_roles}
    return f"{len(own)} works, {len(own & printed)} of them the paper's", own == printed


def _roles(run: Run, expected: Any, what: str) -> Found:
    printed = {row["role"] for row in run.published_roles}
    own = {row["role"] for row in run.roles}
    by = [
        f"{sum(row['language'] == name for row in run.roles)} {name}"
        for name in ("English", "Chinese")
    ]
    told = f"{len(own)}: {' and '.join(by)}; {len(own & printed)} of them the paper's"
    return told, own == printed


def _pools(run: Run, expected: Any, what: str) -> Found:
    printed, own = (
        {(row["role"], row["pool"]) for row in rows} for rows in (run.published_roles, run.roles)
    )
    train = sum(pool == "train" for _, pool in own)
    return f"{train} to train on, {len(own) - train} out of domain", own == printed


def _files(run: Run, expected: Any, what: str) -> Found:
    profiles, scripts = (sum(bool(row[key]) for row in run.roles) for key in ("profile", "script"))
    number = len(run.roles)
    told = f"{profiles} profiles and {scripts} scripts of {number} roles are files of yours"
    whole = profiles == scripts == number
    return told + ("" if whole else "; the others are made of what is heard in the media"), whole


def _temperature(run: Run, expected: Any, what: str) -> Found:
    value = run.settings["write"].get("temperature", 0)
    return _plain(value), value == expected


def _curated(run: Run, expected: Any, what: str) -> Found:
    split = run.settings["split"]
    wanted = len(run.roles) * (split["single"] + split["multi"])
    return f"{run.curated} of {wanted} by hand, the others by hash", run.curated >= wanted > 0


def _system(run: Run, expected: Any, what: str) -> Found:
    for name in run.settings["evaluate"]:
        if as_printed(name) == what:
            return of_models([run.spec(name)], expected)
    for name in run.settings["released_replies"]:
        if as_printed(name) == what:
            return _evaluated(run, name), False
    names = str(expected).split()
    stand_ins = {
        name
        for row in run.services
        if row["service"] in names
        for name in row["stands_in"].split(", ")
        if name in run.settings["evaluate"]
    }
    told = f"; {', '.join(sorted(stand_ins))} stands in" if stand_ins else ""
    return f"not evaluated{told}", False


def _evaluated(run: Run, name: str) -> str:
    """What a system of the configuration is."""
    if name in run.settings["released_replies"]:
        place = run.settings["released_replies"][name]
        return f"answers recorded in {place}: how they were made is not known here"
    return describe(run.spec(name))


def _reference(run: Run, expected: Any, what: str) -> Found:
    if run.settings["benchmark"]:
        return f"{RELEASED}, set {run.settings['reference']}", True
    return "the written answer, as the voice of the roles speaks it", True


def _metrics(run: Run, expected: Any, what: str) -> Found:
    return ", ".join(run.metrics), tuple(run.metrics) == PAPER_METRICS


def _wording(files: Callable[[Run], list[str]]) -> Callable[[Run, Any, str], Found]:
    """Prompts are in words of our own: no sentence of the paper's is copied."""
    return lambda run, expected, what: (f"words of our own: {', '.join(files(run))}", False)


def _judge_wording(run: Run, expected: Any, what: str) -> Found:
    judge = run.spec(run.settings["judge"])
    protocol = specs.option(judge, "protocol")
    if protocol is None:
        return f"{judge.backend} reads no prompt", False
    return f"words of our own: {specs.option(judge, f'prompt_{protocol}')}", False


def _prompts(value: Any) -> list[str]:
    """The files in a section of prompts."""
    if isinstance(value, dict):
        return [file for part in value.values() for file in _prompts(part)]
    return [str(value)]


COMPUTED: dict[str, Callable[[Run, Any, str], Found]] = {
    "works": _works,
    "roles": _roles,
    "pools": _pools,
    "files": _files,
    "temperature": _temperature,
    "curated": _curated,
    "system": _system,
    "reference": _reference,
    "metrics": _metrics,
    "write_wording": _wording(lambda run: _prompts(run.settings["write"]["prompts"])),
    "respond_wording": _wording(lambda run: _prompts(run.settings["respond"]["prompts"])),
    "judge_wording": _judge_wording,
}


if __name__ == "__main__":
    stage.run(deviations, globals().get("snakemake"))
