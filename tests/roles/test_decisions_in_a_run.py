"""Decisions in a run of Snakemake on the results of an earlier one."""

from __future__ import annotations

import yaml

from scripts.rows.corpus import media_id
from tests import rows
from tests.roles.tiny import MEDIUM, WORK

TABLES = {
    "media.tsv": "media\tbatch\twork\tlocation\tsha256\ttruth\tlanguage\tlicence\tredistribute\t"
    f"music\tsnr\tnote\nThe crash\tflight\t{WORK}\tcrash.mp4\t\t\tEnglish\tmine\tno\t\t\t\n",
    "roles.tsv": "role\tname\tcategory\tlanguage\tgender\twork\tpool\tscript\tprofile\n"
    + "".join(f"{n}\t{n}\tGame\tEnglish\tMale\t{WORK}\ttrain\t\t\n" for n in ("joe", "ann")),
    "decisions.tsv": "media\tstart\tend\tverdict\trole\tby\tdate\n",
}
SAID = "The crash\t0\t{}\tyes\t{}\tMK\t2026-11-20\n"


def earlier(folder, decisions=""):
    """A folder with the results of an earlier run up to `identify`; the config's file."""
    for name, text in TABLES.items():
        (folder / name).write_text(text + (decisions if name == "decisions.tsv" else ""), "utf-8")
    (folder / "crash.mp4").write_bytes(b"film")
    turns, roles = folder / "results/corpus/turns", folder / "results/roles"
    turns.mkdir(parents=True)
    roles.mkdir()
    medium = media_id(MEDIUM)
    rows.written(turns / "flight.jsonl", [rows.turn(0, 4, "speaker_0", media=medium)])
    rows.written(roles / "identities.jsonl", [rows.identity("speaker_0", "joe", media=medium)])
    config = {"media": "media.tsv", "roles": "roles.tsv", "speaker_decisions": "decisions.tsv"}
    (folder / "own.yaml").write_text(
        yaml.safe_dump(config | {"verify": {"unverified": "fail"}}), "utf-8"
    )
    return folder / "own.yaml"


def test_decisions_that_contradict_each_other_are_refused_before_any_job(tmp_path, snakemake):
    config = earlier(tmp_path, SAID.format(3, "joe") + SAID.format(2, "ann"))
    given = ("-n", "results/roles/roles.jsonl", "--configfile", str(config))
    printed = snakemake(*given, directory=tmp_path, ok=False)
    assert "line 2 and decisions.tsv, line 3 are about the same speaker" in printed


def test_what_decisions_are_mended_with_survives_a_failure(tmp_path, snakemake):
    config = earlier(tmp_path)
    before = tmp_path / "results/roles/roles.jsonl"
    before.write_text("of the run before\n")
    given = ("results/roles/roles.jsonl", "--forcerun", "verify", "--configfile", str(config))
    printed = snakemake(*given, directory=tmp_path, ok=False)
    assert "nobody has decided who these speakers are: speaker_0 of 'The crash'" in printed
    assert before.read_text() == "of the run before\n"
    (line,) = (tmp_path / "results/roles/pending.tsv").read_text("utf-8").splitlines()[1:]
    assert line.startswith("The crash\t0.00\t4.00\t\tjoe\t")
