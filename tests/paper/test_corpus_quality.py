"""The table of corpus quality, for a small invented batch with known figures."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from scripts.common import audio
from scripts.media.truth import TruthLine
from scripts.media.truth import write as write_truth
from scripts.paper.corpus_quality import LEAST_SPEAKERS, corpus_quality, judged
from scripts.rows.jsonl import write_rows
from scripts.rows.roles import Vote
from tests import rows as made
from tests.rows import quality, segment, transcript, turn

KINDS = ["recordings", "turns", "segments", "quality", "transcripts"]


def line(start, end, speaker, text):
    return TruthLine(start=start, end=end, speaker=speaker, character=speaker.title(), text=text)


def identity(speaker, role, agreed):
    scores = {"joe": 0.5, "faye": 0.4}
    votes = [Vote(model="a", role=role, scores=scores, somebody_else=0.1)]
    names = ["faye", "joe", "lola", "sparky"]
    return made.identity(speaker, role, agreed=agreed, votes=votes, candidates=names)


@pytest.fixture
def table(tmp_path):
    """Runs the stage on one batch of rows and returns the rows of the csv."""

    def run(rows, identities=(), batch="queen"):
        for folder in ("truth", "audio", "vocals"):
            (tmp_path / folder).mkdir(exist_ok=True)
        for kind in KINDS:
            write_rows(tmp_path / f"{kind}.jsonl", rows.get(kind, []))
        names = [] if identities is None else [tmp_path / "identities.jsonl"]
        for name in names:
            write_rows(name, identities)
        folders = [[tmp_path / name] for name in ("truth", "audio", "vocals")]
        files = [[tmp_path / f"{kind}.jsonl"] for kind in KINDS]
        outputs = [tmp_path / f"table.{suffix}" for suffix in ("csv", "md", "tex")]
        corpus_quality(*folders, *files, names, *outputs, batches=[batch])
        with outputs[0].open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return run


def recording(name="m", **fields):
    return made.recording(name, **{"duration": 10} | fields)


def found():
    """Two speakers, with the boundary between them detected one second late."""
    return {
        "recordings": [
            recording(),
            recording("n", file=None, duration=0, dropped="no audio stream"),
        ],
        "turns": [
            turn(0, 6, "speaker_0"),
            turn(6, 10, "speaker_1"),
        ],
        "segments": [
            segment("b", 6, 10, "speaker_1"),
            segment("a", 0, 4, "speaker_0"),
            segment("c", 4.5, 6, "speaker_0", dropped="shorter than 3 s"),
        ],
        "quality": [
            quality("a", ovrl=3.2, sig=3, bak=3),
            quality("b", ovrl=2.7, sig=3, bak=3, dropped="OVRL 2.70 is below 3.0"),
        ],
        "transcripts": [
            transcript("b", "Hello, Joe!"),
            transcript("a", "Faye, where"),
            transcript("c", "Are you?"),
        ],
    }


def with_truth(folder, clean):
    (folder / "truth").mkdir()
    turns = [(0, 5, "joe"), (5, 10, "faye")]
    lines = [line(0, 5, "joe", "Faye... where were you?"), line(5, 10, "faye", "Hello, Joe.")]
    write_truth(folder / "truth", "m", turns, lines, clean)


def test_every_figure_of_a_known_medium(tmp_path, table):
    rng = np.random.default_rng(0)
    clean, noise = (0.1 * rng.standard_normal((2, 160_000))).astype(np.float32)
    with_truth(tmp_path, clean)
    for name, level in (("audio", 1.0), ("vocals", 0.1)):
        (tmp_path / name).mkdir()
        audio.write(tmp_path / f"{name}/m.flac", clean + level * noise)
    names = [identity("speaker_0", "joe", True), identity("speaker_1", "lola", False)]
    m, n, total, *targets = table(found(), names)
    assert (m["kind"], m["batch"], m["synthetic"]) == ("medium", "queen", "False")
    assert (m["true_speakers"], m["found_speakers"]) == ("2", "2")
    assert float(m["der"]) == pytest.approx(0.1)
    assert float(m["der_forgiving"]) == pytest.approx(0.75 / 9)
    assert float(m["wer"]) == pytest.approx(1 / 6) and m["cer"] == ""
    assert float(m["mix"]) == pytest.approx(0, abs=0.2)
    assert float(m["vocals"]) == pytest.approx(20, abs=0.2)
    assert float(m["gain"]) == pytest.approx(20, abs=0.2)
    assert (m["segments"], m["clips"]) == ("3", "1")
    assert m["dropped: shorter than 3 s"] == m["dropped: OVRL is below 3.0"] == "1"
    assert (m["identified"], m["identity"], m["agreement"]) == ("2", "0.5", "0.5")
    assert float(m["chance"]) == pytest.approx(0.2)  # of four names and somebody else
    assert n["note"] == "no audio stream" and n["der"] == n["segments"] == ""
    assert (total["kind"], total["der"], total["clips"]) == ("batch", m["der"], "1")
    assert [row["met"] for row in targets] == ["yes", "yes", "yes", "missed"]
    page = (tmp_path / "table.md").read_text("utf-8")
    assert "DER ≤ 0.18" in page and "no audio stream" in page and "Shorter than 3 s" in page


def test_where_nobody_was_looked_for_the_table_leaves_names_out_and_says_so(tmp_path, table):
    """The five-minute path has no language model."""
    with_truth(tmp_path, None)
    m = table(found(), None)[0]
    assert float(m["der"]) == pytest.approx(0.1)
    assert not {"identified", "identity", "chance", "agreement"} & set(m)
    page = (tmp_path / "table.md").read_text("utf-8")
    assert "Who was recognised" not in page and "names no language model" in page
    assert "Who was recognised" not in (tmp_path / "table.tex").read_text("utf-8")


def test_counts_add_up(tmp_path, table):
    row = table(found())[0]
    dropped = [int(value) for key, value in row.items() if key.startswith("dropped: ")]
    assert int(row["segments"]) == int(row["clips"]) + sum(dropped)


def test_what_is_not_known_stays_empty(table):
    m, _, total = table(found())
    unknown = ["true_speakers", "der", "der_forgiving", "wer", "cer", "mix", "gain", "identity"]
    assert {row[key] for row in (m, total) for key in unknown} == {""}
    assert m["found_speakers"] == "2"


def test_a_line_without_text_leaves_the_word_error_empty(tmp_path, table):
    with_truth(tmp_path, None)
    path = tmp_path / "truth/m.jsonl"
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    lines[0]["text"] = ""
    path.write_text("".join(json.dumps(row) + "\n" for row in lines), encoding="utf-8")
    m = table(found())[0]
    assert m["wer"] == "" and m["der"] != ""


def test_what_the_truth_leaves_out_is_left_out_of_every_score(tmp_path, table):
    """After 8 s all is wrong: a third person, words that nobody said, a wrong name."""
    (tmp_path / "truth").mkdir()
    turns = [(0, 5, "joe"), (5, 10, "faye")]
    lines = [line(0, 5, "joe", "Faye, where"), line(5, 8, "faye", "Hello, { Joe / @ }.")]
    lines.append(line(8, 10, "lola", "Not heard."))
    write_truth(tmp_path / "truth", "m", turns, lines, unscored=[(8, 9), (8.5, 12)])
    rows = found()
    rows["turns"] = [
        turn(0, 5, "speaker_0"),
        turn(5, 8, "speaker_1"),
        turn(8, 10, "speaker_2"),
    ]
    rows["segments"] = [
        segment("a", 0, 5, "speaker_0"),
        segment("b", 5, 8, "speaker_1"),
        segment("c", 8, 10, "speaker_2", dropped="shorter than 3 s"),
    ]
    names = [identity(f"speaker_{n}", "joe", True) for n in range(3)]
    m, _, total, *_ = table(rows, names)
    assert (m["true_speakers"], m["found_speakers"], m["unscored"]) == ("2", "2", "2.0")
    assert (float(m["der"]), float(m["der_forgiving"]), float(m["wer"])) == (0, 0, 0)
    assert (m["identified"], m["identity"], m["note"]) == ("2", "0.5", "")
    assert (total["unscored"], float(total["der"])) == ("2.0", 0)
    # A person who is no candidate is rightly somebody else.
    left = {"role": None, "candidates": ["joe"]}
    strangers = [name.model_copy(update=left) for name in names]
    assert table(rows, strangers)[0]["identity"] == "0.5"
    assert "Not scored" in (tmp_path / "table.md").read_text("utf-8")


def test_turns_beyond_the_end_are_told_and_not_scored(tmp_path, table):
    (tmp_path / "truth").mkdir()
    turns = [(0, 6, "joe"), (6, 14, "faye"), (14, 20, "lola")]
    lines = [line(*turn, "Are you?") for turn in turns]
    write_truth(tmp_path / "truth", "m", turns, lines)
    rows = found()
    rows["recordings"][0] = recording(note="the container says 20.0 s")
    rows["transcripts"] = [transcript("c", "Are you? Are you?")]
    m = table(rows)[0]
    assert (m["true_speakers"], float(m["der"]), float(m["wer"])) == ("2", 0, 0)
    beyond = "the true turns go on for 10.0 s after the end of the sound"
    assert m["note"] == f"the container says 20.0 s; {beyond}" and m["unscored"] == "0.0"


def test_chinese_is_scored_by_characters(tmp_path, table):
    with_truth(tmp_path, None)
    path = tmp_path / "truth/m.jsonl"
    path.write_text(line(0, 5, "joe", "灯塔在哪里？").model_dump_json() + "\n", encoding="utf-8")
    rows = found()
    rows["recordings"][0] = recording(language="Chinese", synthetic=True)
    rows["transcripts"] = [transcript("a", "灯塔再哪里", language="Chinese")]
    m = table(rows, batch="chinese")[0]
    assert (m["wer"], float(m["cer"]), m["synthetic"]) == ("", 0.2, "True")


def test_no_media_is_a_valid_empty_table(table, tmp_path):
    (row,) = table({})
    assert (row["kind"], row["medium"], row["der"]) == ("batch", "all", "")
    assert (tmp_path / "table.tex").is_file()


def test_targets_need_measurements_and_enough_speakers():
    medium = {"batch": "queen", "kind": "medium", "true_speakers": 2, "found_speakers": 3}
    total = {"batch": "queen", "kind": "batch", "identity": 0.9, "chance": 0.1, "identified": 8}
    unknown = "not measured"
    assert [row["met"] for row in judged([medium, total])] == ["missed", unknown, unknown, "yes"]
    total |= {"identified": LEAST_SPEAKERS - 1, "der": 0.18, "gain": 3.0}
    medium["found_speakers"] = 2
    assert [row["met"] for row in judged([medium, total])] == ["yes", "yes", "yes", "missed"]
    assert judged([medium | {"batch": "mine"}, total]) == []
