"""The workflow as a user runs it: tests/config/toy.yaml end to end, and what must not run."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts.common import weights
from scripts.rows.corpus import Recording, Segment
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_rows

ROOT = Path(__file__).resolve().parents[1]
TOY = (f"--configfile={ROOT / 'tests/config/toy.yaml'}",)
NOTHING = "Nothing to be done"


def planned(printed: str) -> dict[str, int]:
    """The number of jobs of each rule that a dry run announces."""
    stats = printed.split("Job stats:")[1] if "Job stats:" in printed else ""
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}


@pytest.fixture(scope="session")
def toy(tmp_path_factory, snakemake) -> Path:
    """The folder of a finished toy run."""
    folder = tmp_path_factory.mktemp("toy")
    snakemake(*TOY, "all", directory=folder)
    return folder


def test_every_table_and_figure_is_there(toy):
    paper = toy / "results/paper"
    others = ["corpus_quality", "differences", "agree", "judge_audit", "compare", "errata"]
    others += ["deviations"]
    for name in [f"table{n}" for n in range(1, 8)] + others:
        for suffix in ("csv", "md", "tex"):
            assert (paper / f"{name}.{suffix}").stat().st_size > 0
    for name in ("figure3", "figure4", "figure5"):
        assert (paper / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (paper / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert "<svg" in (paper / f"{name}.svg").read_text("utf-8")
    assert (paper / "figure2.md").stat().st_size > 0
    assert (toy / "results/run_config.yaml").is_file()


def test_the_report_lands_on_a_summary_with_the_tables_as_html(toy, snakemake):
    snakemake(*TOY, "all", "--report", "report.html", directory=toy)
    page = (toy / "report.html").read_text("utf-8")
    landing = json.loads(re.search(r"var workflow_desc = (.*);$", page, re.MULTILINE)[1])
    assert "system-message" not in landing and "cascade-0.5b" in landing
    assert (
        "results['results/paper/summary.html'].data_uri})\">All tables and figures</a>" in landing
    )
    results = json.loads(re.search(r"var results = (\{.*\});$", page, re.MULTILINE)[1])
    kinds = {Path(path).name: result["mime_type"] for path, result in results.items()}
    assert kinds.pop("summary.html") == "text/html"
    assert {*kinds.values()} == {"image/svg+xml"} and len(kinds) == 3
    shown = (toy / "results/paper/summary.html").read_text("utf-8")
    for name in ("table1", "table2", "table7", "errata", "figure2", "figure4"):
        assert f'<section id="{name}">' in shown
    assert shown.count("<table>") >= 13 and shown.count("data:image/svg+xml;base64,") == 3


def test_the_counts_of_every_step_add_up(toy):
    dialogues = toy / "results/dialogues"

    def ids(kind: str) -> list[str]:
        return [row.id for path in dialogues.glob(f"{kind}/*.jsonl") for row in rows(path)]

    def rows(path: Path) -> list[Dialogue]:
        return read_rows(path, Dialogue)

    kept, dropped = ids("kept"), ids("dropped")
    assert kept and sorted(ids("drafts")) == sorted(kept + dropped)
    split = ids("train") + ids("out_of_domain") + ids("test")
    assert sorted(split) == sorted(kept)


def test_a_second_run_has_nothing_to_do(toy, snakemake):
    assert NOTHING in snakemake(*TOY, "all", directory=toy)


def test_a_job_whose_items_are_kept_loads_no_model(toy, snakemake, tmp_path, monkeypatch):
    """All is made again from identify on, with weights that are only as long as the real ones."""
    for name in ("results", "cache", ".snakemake"):
        shutil.copytree(toy / name, tmp_path / "again" / name)
    for file in [file for file in weights.folder().rglob("*") if file.is_file()]:
        hollow = tmp_path / "weights" / file.relative_to(weights.folder())
        hollow.parent.mkdir(parents=True, exist_ok=True)
        with hollow.open("wb") as opened:
            opened.truncate(file.stat().st_size)
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path / "weights"))
    printed = snakemake(
        *TOY, "--forcerun", "identify", "--", "judging", directory=tmp_path / "again"
    )
    assert "rule judge:" in printed
    assert "open decisions about speakers, in results/roles/pending.tsv: 2 of The mec" in printed
    for path in (toy / "results").rglob("*"):
        if path.suffix in (".jsonl", ".flac"):
            assert (tmp_path / "again" / path.relative_to(toy)).read_bytes() == path.read_bytes()


def test_what_is_measured_of_a_reference_is_kept_for_every_system(toy):
    """The judge's parts keep in one folder a shard, and none knows of systems."""
    home = toy / "cache/kept/judge/objective/1-of-1"
    assert list(home.glob("*.jsonl")) and not [path for path in home.iterdir() if path.is_dir()]


def test_another_backend_code_reruns_exactly_what_uses_it(toy, snakemake, tmp_path):
    """In a copy of the project the quality backend is edited: of the corpus, rate uses it."""
    for name in ("results", ".snakemake"):
        shutil.copytree(toy / name, tmp_path / name)
    project = tmp_path / "project"
    for name in ("scripts", "rules", "config", "envs", "profiles", "tests/config"):
        shutil.copytree(ROOT / name, project / name)
    shutil.copy(ROOT / "Snakefile", project)
    for name in ("weights", ".cache"):
        (project / name).symlink_to(ROOT / name)
    again = (f"--snakefile={project / 'Snakefile'}", *TOY, "corpus")
    assert NOTHING in snakemake(*again, "-n", directory=tmp_path)
    backend = project / "scripts/backends/quality/dnsmos.py"
    backend.write_text(backend.read_text("utf-8") + "\n# a comment changes nothing\n", "utf-8")
    assert NOTHING in snakemake(*again, "-n", directory=tmp_path)
    backend.write_text(backend.read_text("utf-8") + "\nEDITED = True\n", "utf-8")
    jobs = set(planned(snakemake(*again, "-n", directory=tmp_path)))
    assert "rate" in jobs and jobs <= {"rate", "corpus", "total"}


def test_a_run_in_which_nobody_is_decided_on_ends_with_the_reasons(toy, snakemake, tmp_path):
    for name in ("results", ".snakemake"):
        shutil.copytree(toy / name, tmp_path / name)
    drop = ("choose_voices", "--config", "verify={unverified: drop}")
    printed = " ".join(snakemake(*TOY, *drop, directory=tmp_path, ok=False).split())
    assert "no role has a voice, so there would be no dialogue. joe, sparky: 1 speaker" in printed
    assert "Left out of this run: open decisions about speakers, in results/roles" in printed
    pending = (tmp_path / "results/roles/pending.tsv").read_text("utf-8")
    assert len(re.findall("^The mechanic\t", pending, re.MULTILINE)) == 2


@pytest.mark.parametrize(
    "target, needs, spares",
    [
        ("table1", {"speak", "split"}, {"respond", "judge", "table2"}),
        ("table2", {"respond", "judge"}, {"table1", "corpus_quality"}),
        ("differences", {"respond", "judge"}, {"table2"}),
        ("corpus_quality", {"identify", "rate"}, {"write", "respond", "judge"}),
        ("corpus", {"rate", "transcribe"}, {"identify", "respond"}),
    ],
)
def test_a_target_runs_only_its_chain(target, needs, spares, snakemake, tmp_path):
    jobs = set(planned(snakemake(*TOY, "-n", target, directory=tmp_path)))
    assert target in jobs and needs <= jobs and not spares & jobs


def test_what_is_made_of_printed_figures_needs_no_other_job(snakemake, tmp_path):
    targets = ("table4", "table5", "table6", "figure5", "compare", "errata", "deviations")
    jobs = planned(snakemake(*TOY, "-n", *targets, directory=tmp_path))
    assert set(jobs) == {*targets, "total"}


def test_released_scores_stand_in_for_a_run(snakemake, tmp_path):
    """Another group's scores: the tables alone, from anywhere, nothing of the demo."""
    shipped = (ROOT / "config/published/released_scores_qwen2.5-omni_zh.csv").read_text("utf-8")
    (tmp_path / "theirs.csv").write_text(shipped.replace("Qwen2.5-Omni", "Their System"), "utf-8")
    given = (
        "table2",
        "table3",
        "differences",
        "compare",
        "--config",
        "released_scores=[theirs.csv]",
    )
    jobs = set(planned(snakemake("-n", *given, directory=tmp_path)))
    assert jobs == {"table2", "table3", "differences", "compare", "total"}
    own = tmp_path / "results/paper/table2.csv"
    own.parent.mkdir(parents=True)
    own.write_text("of a run", "utf-8")
    snakemake(*given, directory=tmp_path)
    assert own.read_text("utf-8") == "of a run" and [*own.parent.iterdir()] == [own]
    with (tmp_path / "results/released/table2.csv").open(encoding="utf-8", newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["source"] == "run"]
    assert (row["system"], row["language"], row["IA_n"]) == ("Their System", "Chinese", "64")
    assert float(row["overall"]) == pytest.approx(0.686, abs=0.0005)
    page = (tmp_path / "results/released/table2.md").read_text("utf-8")
    assert "| Their System | gemini-2.5-pro | released scores |" in page
    assert "this run |" not in page
    snakemake(*given, "only={roles: [hutao], items: 1}", directory=tmp_path)  # a smoke run
    for name in ("table2", "table3"):
        with (tmp_path / f"results/released/{name}.csv").open(encoding="utf-8", newline="") as file:
            runs = [row for row in csv.DictReader(file) if row["source"] == "run"]
        assert sum(int(row["IA_n"]) for row in runs) == 2


def test_a_wrong_released_score_is_refused_by_file_and_line(snakemake, tmp_path):
    bad = "system,role,mode,idx,metric,score_test,score_ref\nNew,hutao,single,0,IA,11,9\n"
    (tmp_path / "bad.csv").write_text(bad, "utf-8")
    given = ("table2", "--config", "released_scores=[bad.csv]")
    printed = " ".join(snakemake(*given, directory=tmp_path, ok=False).split())
    assert "bad.csv, line 2: IA, score_test is '11'; a score is a whole number from 1" in printed
    given = ("-n", "table2", "--config", "released_scores=[none.csv]")
    assert "none.csv does not exist" in snakemake(*given, directory=tmp_path, ok=False)


def test_a_dry_run_needs_no_science_stack(snakemake, tmp_path, monkeypatch):
    for name in ("numpy", "torch", "pandas", "scipy", "soundfile", "matplotlib"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} was imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert planned(snakemake("-n", "all", directory=tmp_path / "run"))["judge"] >= 3


@pytest.mark.parametrize(
    "setting, sentence",
    [
        ("evalute=[]", "unknown key 'evalute'; did you mean 'evaluate'?"),
        ("judge=objectiv", "no model is called 'objectiv'; did you mean 'objective'?"),
        ("roles=config/rolls.tsv", "config/rolls.tsv does not exist"),
        ("batches=[quen]", "no row of config/media.tsv is of batch 'quen'"),
        ('released_scores=["a{b}.csv"]', "a{b}.csv does not exist"),
        ("media=my{edition}.tsv", "the file 'my{edition}.tsv' has braces in its name"),
    ],
)
def test_a_typo_is_refused_before_any_job(setting, sentence, snakemake, tmp_path):
    printed = snakemake("-n", "all", "--config", setting, directory=tmp_path, ok=False)
    assert sentence in " ".join(printed.split()) and "Traceback" not in printed


def test_targets_are_listed_and_say_what_they_are(snakemake, tmp_path):
    printed = snakemake("--list-target-rules", directory=tmp_path)
    listed = dict(re.findall(r"^(\w+)(?: \((.+)\))?$", printed, re.MULTILINE))
    assert all(listed.values()), [name for name, what in listed.items() if not what]
    tables = [f"table{n}" for n in range(1, 8)] + [f"figure{n}" for n in range(2, 6)]
    phases = ["corpus", "roles", "dialogues", "systems", "judging", "paper", "corpus_quality"]
    assert set(tables + phases + ["all"]) <= set(listed)


@pytest.mark.parametrize(
    "key, row, sentence",
    [
        (
            "speaker_decisions",
            "The prisoners and the princess 1 2 yes ian me 2026-11-29",
            "no medium is",
        ),
        (
            "speaker_decisions",
            "The former girlfriend 1 2 yes lolla me 2026-11-29",
            "mean 'lola'?",
        ),
        ("test_items", "jo single 0123456789ab", "the role 'jo' is not in config/roles.tsv"),
        ("human_ratings", "a cascade-1.5 joe single 0 IA 7", "mean 'cascade-1.5b'?"),
        ("human_ratings", "a cascade-1.5b jo single 0 IA 7", "there is no role 'jo' in this run"),
    ],
)
def test_a_wrong_name_in_any_table_is_refused_before_any_job(
    key, row, sentence, snakemake, tmp_path
):
    shipped = (ROOT / f"config/{key}.tsv").read_text("utf-8").splitlines()
    header = next(line for line in shipped if not line.startswith("#"))
    cells = row.rsplit(" ", header.count("\t"))
    (tmp_path / "mine.tsv").write_text(f"{header}\n" + "\t".join(cells) + "\n", "utf-8")
    own = ("--config", f"{key}={tmp_path / 'mine.tsv'}")
    printed = " ".join(
        snakemake("-n", "table7", *own, directory=tmp_path / "run", ok=False).split()
    )
    assert "mine.tsv, line 2: " in printed and sentence in printed and "Traceback" not in printed


def test_a_work_that_no_role_has_is_refused_before_any_job(snakemake, tmp_path):
    text = (ROOT / "config/media.tsv").read_text("utf-8")
    (tmp_path / "m.tsv").write_text(
        text.replace("Amazon Queen\tdeb", "amazon queen\tdeb", 1), "utf-8"
    )
    own = ("--config", f"media={tmp_path / 'm.tsv'}")
    printed = " ".join(
        snakemake("-n", "table7", *own, directory=tmp_path / "run", ok=False).split()
    )
    assert (
        "the work 'Flight of the amazon queen' is not in config/roles.tsv; did you mean" in printed
    )


@pytest.mark.parametrize("name", ["my project", "o'brien", "copy (2)", "a{b}"])
def test_a_project_in_a_folder_that_snakemake_cannot_run_in_is_told(name, snakemake, tmp_path):
    place = tmp_path / name
    place.mkdir()
    for part in ("Snakefile", "rules", "scripts", "config"):
        (place / part).symlink_to(ROOT / part)
    command = ("table4", "--snakefile", str(place / "Snakefile"))
    printed = " ".join(snakemake(*command, directory=tmp_path / "run", ok=False).split())
    assert f"the project lies in '{place}'" in printed and "rename the folder" in printed


def test_a_film_may_have_any_name(snakemake, tmp_path):
    """A batch each: what look like wildcards, braces, blanks, quotes and commas."""
    names = ("{edition}", "{batch}", "{", "}{", "a b-", "1, 'b'", "',{}", "{a b}")
    films = [tmp_path / f"F{name}.wav" for name in names]
    header = next(line for line in (ROOT / "config/media.tsv").open() if line.startswith("media"))
    lines = []
    for number, film in enumerate(films):
        soundfile.write(film, np.sin(np.arange(16_000) / 8), 16_000)
        cells = [f"Film {number}", f"b{number}", "", str(film), "", "", "English", "own", "no"]
        lines.append("\t".join([*cells, "", "", ""]) + "\n")
    (tmp_path / "m.tsv").write_text(header + "".join(lines), "utf-8")
    targets = [f"results/corpus/audio/b{number}.jsonl" for number in range(len(films))]
    command = (*targets, "--config", f"media={tmp_path / 'm.tsv'}")
    snakemake(*command, directory=tmp_path)
    for target in targets:
        (recording,) = read_rows(tmp_path / target, Recording)
        assert recording.duration == 1.0 and recording.dropped is None
    assert NOTHING in snakemake(*command, directory=tmp_path)
    for film in films:
        film.unlink()
        soundfile.write(film, np.sin(np.arange(16_000) / 9), 16_000)
    assert planned(snakemake("-n", *command, directory=tmp_path)) == {
        "fetch": len(films),
        "extract": len(films),
        "total": 2 * len(films),
    }


def test_bad_media_never_stop_the_others(snakemake, tmp_path):
    """A batch of nothing but bad files ends as a valid, empty corpus that says why."""
    header = (ROOT / "config/media.tsv").read_text("utf-8").splitlines()
    columns = next(line for line in header if not line.startswith("#")).split("\t")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile.ts\n")
    lines = ["\t".join(columns)]
    for name in ("empty.mp4", "list.mp4", "missing.mp4"):
        cells = dict.fromkeys(columns, "")
        cells |= {"media": name.split(".")[0], "batch": "bad", "location": str(tmp_path / name)}
        cells |= {"language": "English", "licence": "own", "redistribute": "no"}
        lines.append("\t".join(cells[column] for column in columns))
    (tmp_path / "media.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    own = ("--config", f"media={tmp_path / 'media.tsv'}")
    snakemake("corpus", *own, directory=tmp_path / "run")
    corpus = tmp_path / "run/results/corpus"
    recordings = read_rows(corpus / "audio/bad.jsonl", Recording)
    assert len(recordings) == 3 and all(row.dropped for row in recordings)
    assert read_rows(corpus / "segments/bad.jsonl", Segment) == []
