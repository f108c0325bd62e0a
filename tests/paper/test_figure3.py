"""Figure 3: seconds of speech of users and roles."""

from scripts.paper.figure3 import figure3
from tests.paper.made_up import PUBLISHED, cells, dialogue, figures, files, spoken


def test_utterances_are_counted_by_second(tmp_path):
    rows = [
        spoken(dialogue("a"), user=0.4, role=2.0),
        spoken(dialogue("b"), user=1.999, role=2.5),
        spoken(dialogue("c"), user=9.0, role=9.0, dropped="not spoken"),
    ]
    given = files(tmp_path, "spoken", rows)
    figure3(PUBLISHED / "figure3_ranges.tsv", given, **figures(tmp_path))
    found = cells(tmp_path / "figure.csv")
    own = [
        (r["speaker"], r["from_seconds"], r["utterances"]) for r in found if r["source"] == "run"
    ]
    assert own == [
        ("user", "0", "1"),
        ("user", "1", "1"),
        ("role", "0", "0"),
        ("role", "1", "0"),
        ("role", "2", "2"),
    ]
    printed = {row["speaker"]: row for row in found if row["source"] == "printed"}
    assert printed["role"]["to_seconds"] == "20" and printed["role"]["utterances"] == ""


def test_the_same_data_makes_the_same_files_and_no_data_makes_files_too(tmp_path):
    given = files(tmp_path, "spoken", [spoken(dialogue("a"))])
    written = []
    for name, rows in (("one", given), ("two", given), ("none", [])):
        folder = tmp_path / name
        folder.mkdir()
        figure3(PUBLISHED / "figure3_ranges.tsv", rows, **figures(folder))
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    assert written[2]["figure.pdf"].startswith(b"%PDF") and b"<svg" in written[2]["figure.svg"]
    assert written[0]["figure.png"].startswith(b"\x89PNG")
    assert written[2]["figure.png"] != written[0]["figure.png"]
