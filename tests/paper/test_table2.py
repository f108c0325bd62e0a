"""Table 2: printed and run scores side by side, ranked separately."""

import pytest
import yaml

from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.paper.report import published, systems_table
from scripts.paper.report.published import PAPER_METRICS
from scripts.paper.report.scores import header
from scripts.paper.table2 import table2
from tests.paper.made_up import (
    PUBLISHED,
    ROLES,
    SYSTEMS,
    cells,
    dialogue,
    expected,
    files,
    outputs,
    reply,
    verdicts,
)


def build(tmp_path, items, scores, ablations=None, max_missing=0.1, wanted=None):
    table2(
        PUBLISHED / "table2.tsv",
        files(tmp_path, "verdicts", scores),
        [],
        PUBLISHED / "roles.tsv",
        files(tmp_path, "replies", [reply(row, name) for row in items for name in SYSTEMS]),
        files(tmp_path, "test", items),
        **outputs(tmp_path),
        systems=SYSTEMS,
        roles=ROLES,
        max_missing=max_missing,
        about_judge=["A word on the judge."],
        expected=wanted or expected(scores),
        ablations=ablations or {},
    )
    return cells(tmp_path / "table.csv"), (tmp_path / "table.md").read_text("utf-8")


def test_rows_that_are_gone_are_missing(tmp_path):
    items = [dialogue("a"), dialogue("b", "faye"), dialogue("c", "luyuanhang")]
    scores = [v for row in items for v in verdicts(row, "good", 7)]
    scores += [v for row in items for v in verdicts(row, "bare", 6)]
    with pytest.raises(UserError, match=r"10 of the 24 scores of bare by objective are missing.*"):
        build(tmp_path, items, scores[:-10])
    rows, page = build(tmp_path, items, scores[:-10], {"bare": "good"}, max_missing=0.5)
    assert "A word on the judge." in page and "| this run, 14 of 16 scores |" in page
    own = [line for line in page.splitlines() if "| objective | this run" in line]
    assert len(own) == 4 and not any("**" in line or "<ins>" in line for line in own)
    run = {(r["language"], r["system"]): r for r in rows if r["source"] == "run"}
    assert run["Chinese", "bare"]["overall_n"] == "0"
    assert [run["Chinese", "bare"][f"{m}_missing"] for m in ("IA", "KC", "overall")] == list("118")
    assert (run["English", "bare"]["overall_n"], run["English", "bare"]["overall_missing"]) == (
        "14",
        "2",
    )
    assert run["English", "good"]["overall_missing"] == "0"
    assert "10 of the 24 rows that results/judging/objective/bare should have are gone" in page
    assert "| English | bare | KC | its row is gone | 1 |" in page
    kept = "| bare | good | KC | English | 1 | 1 | 1 |"  # items, missing, roles
    assert kept in page


def test_a_system_without_any_row_is_missing_as_a_whole(tmp_path):
    """What a run judges is known without what is there."""
    items = [dialogue("a")]
    scores = verdicts(items[0], "good", 7)
    wanted = expected(scores) | {"systems": ["bare", "good"]}
    with pytest.raises(UserError, match="8 of the 8 scores of bare by objective are missing"):
        build(tmp_path, items, scores, wanted=wanted)


def test_rows_shapes_and_marks(tmp_path):
    items = [dialogue("a"), dialogue("b", "faye"), dialogue("c", "luyuanhang")]
    scores = [v for row in items for v in verdicts(row, "good", 7.5)]
    scores += [v for row in items for v in verdicts(row, "bare", 6)]
    rows, page = build(tmp_path, items, scores, {"bare": "good"})
    assert list(rows[0]) == header(PAPER_METRICS) and {row["domain"] for row in rows} == {"all"}
    assert [row["source"] for row in rows].count("printed") == 13
    run = {(row["language"], row["system"]): row for row in rows if row["source"] == "run"}
    assert len(run) == 4 and run["English", "good"]["IA"] == "0.9375"
    assert {row["judge"] for row in run.values()} == {"objective"}
    assert {row["judge"] for row in rows if row["source"] == "printed"} == {"gemini-2.5-pro"}
    assert "| English | good | objective | this run | **0.938** |" in page
    assert "| English | bare | objective | this run | <ins>0.750</ins> |" in page
    assert "| English | GPT-4o Audio | gemini-2.5-pro | paper (printed) | 0.901 | **0.990**" in page
    assert "| Chinese | good | objective | this run, synthetic |" in page


def test_the_page_says_what_a_reader_must_know(tmp_path):
    items = [dialogue("a"), dialogue("c", "luyuanhang")]
    scores = [v for row in items for v in verdicts(row, "good", 7)]
    lost = {"score_test": None, "score_ref": None, "dropped": "no whole reply: too short"}
    scores[0] = scores[0].model_copy(update=lost)
    _, page = build(tmp_path, items, scores, {"bare": "good"})
    assert "`objective`, not by the paper's" in page
    assert "`good` = cascade (llm: tiny (weights: w))." in page
    assert "voice matching" in page
    assert "1 of this run's 2 test items are of roles whose voice or script is synthetic" in page
    assert "| English | good | IA | no whole reply: too short | 1 |" in page
    assert "| bare | good | PeC | English | 0 |" in page and "no items" in page


def test_only_the_demos_systems_are_called_stand_ins(tmp_path, monkeypatch):
    """A system of somebody's own is not, whichever backend it uses."""
    items = [dialogue("a")]
    scores = [v for row in items for v in verdicts(row, "good", 7)]
    assert "stand-in" not in build(tmp_path, items, scores, {})[1]
    monkeypatch.setattr(systems_table, "DEMO", ("good",))
    assert "(weights: w)). It is a small stand-in, not" in build(tmp_path, items, scores, {})[1]
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    assert sorted(published.DEMO) == sorted(config["evaluate"])


def test_the_page_says_its_n_beside_the_papers(tmp_path):
    items = [dialogue("a"), dialogue("c", "luyuanhang")]
    _, page = build(tmp_path, items, [v for row in items for v in verdicts(row, "good", 7)])
    assert (
        "English: N = 1, the paper's 328 (-320: 2 roles instead of 82; -4: no test item of" in page
    )
    assert "Chinese: N = 1, the paper's 64 (-60: 1 role instead of 16; -3: fewer than 4" in page


def test_no_verdicts_leave_the_printed_rows(tmp_path):
    rows, page = build(tmp_path, [], [])
    assert len(rows) == 13 and "this run |" not in page


def test_a_table_without_too_many_scores_is_not_written(tmp_path):
    item = dialogue("a")
    lost = {"score_test": None, "score_ref": None, "dropped": "no whole reply: too short"}
    scores = [v.model_copy(update=lost) for v in verdicts(item, "good", 7)]
    with pytest.raises(UserError, match=r"joe, single 0 \(no whole reply: too short\)"):
        build(tmp_path, [item], scores)
    assert not (tmp_path / "table.csv").exists()


def test_two_judges_of_a_system_have_a_row_each_and_a_warning(tmp_path, capsys):
    item = dialogue("a")
    scores = verdicts(item, "good", 7)
    scores += [v.model_copy(update={"judge": "objective-2"}) for v in scores]
    rows, page = build(tmp_path, [item], scores)
    assert [row["judge"] for row in rows if row["source"] == "run"] == ["objective", "objective-2"]
    assert "scores of 2 judges (" in page and "warning" in capsys.readouterr().out
    assert "| Score | good, objective | good, objective-2 |" in page


def test_a_language_that_a_system_does_not_speak_is_a_gap(tmp_path):
    """It counts neither as missing nor as a score, and the page says why."""
    items = [dialogue("a"), dialogue("c", "luyuanhang")]
    scores = [v for row in items for v in verdicts(row, "good", 7)]
    scores += verdicts(items[0], "bare", 6)
    gap = {"score_test": None, "score_ref": None, "offered": False}
    gap |= {"dropped": "bare does not speak Chinese"}
    scores += [v.model_copy(update=gap) for v in verdicts(items[1], "bare", 6)]
    rows, page = build(tmp_path, items, scores, max_missing=0)
    (row,) = [r for r in rows if (r["language"], r["system"]) == ("Chinese", "bare")]
    assert (row["IA"], row["IA_n"], row["IA_missing"], row["overall"]) == ("", "0", "0", "")
    assert "bare does not speak Chinese" in page


def test_what_a_service_will_not_voice_is_counted_and_named_and_blocks_no_table(tmp_path):
    """One role of two that a service refuses: half of the items, with nothing allowed to miss."""
    items = [dialogue("a"), dialogue("b", "faye"), dialogue("c", "faye", idx=1)]
    scores = [v for row in items for v in verdicts(row, "good", 7)]
    gap = {"score_test": None, "score_ref": None, "voiced": False}
    gap |= {"dropped": "no whole reply: turn 1: there is no voice: too short"}
    scores += verdicts(items[0], "bare", 6)
    scores += [v.model_copy(update=gap) for row in items[1:] for v in verdicts(row, "bare", 6)]
    rows, page = build(tmp_path, items, scores, max_missing=0)
    (row,) = [r for r in rows if (r["language"], r["system"]) == ("English", "bare")]
    assert (row["IA"], row["IA_n"], row["IA_missing"]) == ("0.75", "1", "2")
    assert (row["overall_n"], row["overall_missing"]) == ("8", "16")
    told = "`bare` lacks 2 of 3 items, which a service will not voice: faye: no whole reply: turn 1"
    assert f"{told}: there is no voice: too short (2)." in page and "`good` lacks" not in page
    assert (
        "| English | bare | IA | no whole reply: turn 1: there is no voice: too short | 2 |" in page
    )
    lost = [v.model_copy(update={"voiced": True}) for v in scores]
    with pytest.raises(UserError, match="16 of the 24 scores of bare"):
        build(tmp_path, items, lost, max_missing=0)


def test_versions_of_a_system_and_of_a_judge_have_rows_of_their_own(tmp_path, capsys):
    items = [dialogue("a"), dialogue("b", "faye")]
    old, new = (verdicts(row, "good", score) for row, score in zip(items, (4, 8), strict=True))
    old = [v.model_copy(update={"system_version": "good-1", "version": "j1"}) for v in old]
    new = [v.model_copy(update={"system_version": "good-2", "version": "j1"}) for v in new]
    rows, page = build(tmp_path, items, old + new, {"bare": "good"})
    run = {row["system"]: row["overall"] for row in rows if row["source"] == "run"}
    assert run == {"good [good-1]": "0.5", "good [good-2]": "1.0"}
    assert "The system `good` answered as 2 versions: good-1 (8 verdicts), good-2 (8" in page
    assert all(rf"| bare | good \[good-{n}\] | PeC |" in page for n in (1, 2))
    assert "warning: The system `good`" in capsys.readouterr().out
    new = [v.model_copy(update={"system_version": "good-1", "version": "j2"}) for v in new]
    rows, page = build(tmp_path, items, old + new)
    run = {(row["system"], row["judge"]): row["overall"] for row in rows if row["source"] == "run"}
    assert run == {("good", "objective [j1]"): "0.5", ("good", "objective [j2]"): "1.0"}
    assert "**" not in "".join(line for line in page.splitlines() if "| good |" in line)
    assert r"| English | good | objective \[j1\] | this run |" in page
    assert "by the judge `objective`, not" in page


def test_a_table_by_another_model_never_bears_the_name_of_the_papers_judge(tmp_path, capsys):
    scores = verdicts(dialogue("a"), "good", 7)
    asked = {"judge": "gemini-2.5-pro", "asked": "gemini-2.5-pro"}
    same = [v.model_copy(update={**asked, "version": "gemini-2.5-pro-001"}) for v in scores]
    rows, page = build(tmp_path, [dialogue("a")], same)
    assert {row["judge"] for row in rows} == {"gemini-2.5-pro"}
    assert "The judge `gemini-2.5-pro` answered as gemini-2.5-pro-001." in page
    other = [v.model_copy(update={**asked, "version": "gemini-3-pro"}) for v in scores]
    rows, page = build(tmp_path, [dialogue("a")], other)
    (row,) = [row for row in rows if row["source"] == "run" and row["system"] == "good"]
    assert row["judge"] == "gemini-3-pro [not gemini-2.5-pro]"
    assert "by the judge `gemini-3-pro`, not by the paper's (gemini-2.5-pro)" in page
    assert "should be gemini-2.5-pro, and gemini-3-pro answered" in capsys.readouterr().out


def test_audio_that_was_cut_is_told_by_parts_not_by_metrics(tmp_path):
    items = [dialogue("a"), dialogue("b", "faye")]
    scores = [v for row in items for v in verdicts(row, "good", 7)]
    scores = [v.model_copy(update={"cut": 2}) if v.id == "a" else v for v in scores]
    _, page = build(tmp_path, items, scores)
    assert "`objective` heard only the beginning of 2 audio parts, in 1 of 2 items" in page
    assert "only the beginning" not in build(tmp_path, items[1:], scores[8:])[1]


def test_a_system_of_the_paper_is_spelled_as_printed(tmp_path, monkeypatch):
    monkeypatch.setitem(SYSTEMS, "GPT-4o-Audio", SYSTEMS["good"])
    item = dialogue("a")
    rows, page = build(tmp_path, [item], verdicts(item, "GPT-4o-Audio", 7))
    named = [row["source"] for row in rows if row["system"] == "GPT-4o Audio"]
    assert named == ["printed", "run", "printed"]
    assert "`GPT-4o Audio` = cascade" in page
    assert "not a system of the paper" not in page.partition("`GPT-4o Audio` = ")[2]
