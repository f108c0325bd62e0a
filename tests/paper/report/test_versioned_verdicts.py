"""Every table keeps versions of systems and judges apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.paper.report.published import as_printed
from scripts.paper.report.versioned_verdicts import bearing, by_version, without_version
from tests.paper.made_up import dialogue, verdicts


def row(system="good", judge="gemini", given=None, version=None, score=6.0, **asked):
    first = verdicts(dialogue("a"), system, score or 1.0)[0]
    update = {"judge": judge, "system_version": given, "version": version, **asked}
    if score is None:
        update |= {"score_test": None, "score_ref": None, "dropped": "refused"}
    return first.model_copy(update=update)


def names(rows):
    return [(row.system, row.judge) for row in by_version(rows).verdicts]


def test_one_version_changes_nothing_and_is_told(capsys):
    rows = [row(given="v1", version="j1"), row(given="v1", version="j1", score=None)]
    told = by_version(rows)
    assert told.verdicts == rows and capsys.readouterr().out == ""
    assert told.notes == ["The system `good` answered as v1.", "The judge `gemini` answered as j1."]
    assert names([row(), row(score=None)]) == [("good", "gemini")] * 2
    assert by_version([row(), row(score=None)]).notes == []  # a model that runs here states none


@pytest.mark.parametrize("version", ["gemini-2.5-pro", "models/gemini-2.5-pro-001"])
def test_a_dated_name_of_the_model_that_was_asked_for_is_that_model(version):
    rows = [row(judge="mine", version=version, asked="gemini-2.5-pro")]
    told = by_version(rows)
    assert told.verdicts == rows
    assert told.notes == [f"The judge `mine` answered as {version}."]


def test_scores_by_another_model_never_bear_the_name_of_the_one_asked_for(capsys):
    asked = {"judge": "gemini-2.5-pro", "asked": "gemini-2.5-pro"}
    rows = [row(version="gemini-3-pro", **asked), row(score=None, **asked)]
    told = by_version(rows)
    assert {r.judge for r in told.verdicts} == {"gemini-3-pro [not gemini-2.5-pro]"}
    (note,) = told.notes
    assert "The judge `gemini-2.5-pro` should be gemini-2.5-pro, and gemini-3-pro answered" in note
    assert f"warning: {note}" in capsys.readouterr().out
    rows.append(row(version="gemini-2.5-pro", **asked))
    assert {r.judge for r in by_version(rows).verdicts} == {
        "gemini-3-pro [not gemini-2.5-pro]",
        "gemini-2.5-pro [gemini-2.5-pro]",
    }


def test_replies_of_another_model_are_another_systems():
    rows = [row("GPT-4o-Audio", given="gpt-5-audio", system_asked="gpt-4o-audio-preview")]
    (label,) = {r.system for r in by_version(rows).verdicts}
    assert label == "gpt-5-audio [not GPT-4o Audio]"
    assert (bearing(label), without_version(label)) == ("gpt-5-audio", "GPT-4o Audio")
    two = "gpt-4o-audio-preview-2024-12-17 + gpt-5-audio"  # in one dialogue
    rows = [row("GPT-4o-Audio", given=two, system_asked="gpt-4o-audio-preview")]
    assert names(rows)[0][0] == f"{two} [not GPT-4o Audio]"


def test_a_judge_called_as_the_papers_is_the_papers():
    """Whatever its model in the config is called."""
    rows = [row(judge="gemini-2.5-pro", asked="gemini-3-pro", version="gemini-3-pro")]
    assert names(rows)[0][1] == "gemini-3-pro [not gemini-2.5-pro]"


def test_two_versions_of_a_system_stand_apart_with_a_warning(capsys):
    rows = [row(given="v1"), row(given="v1"), row(given="v2"), row("bare")]
    told = by_version(rows)
    assert [r.system for r in told.verdicts] == ["good [v1]", "good [v1]", "good [v2]", "bare"]
    (note,) = told.notes
    assert "The system `good` answered as 2 versions: v1 (2 verdicts), v2 (1 verdicts)" in note
    assert "set `version`" in note and "results/systems" in note
    assert f"warning: {note}" in capsys.readouterr().out


def test_two_versions_of_a_judge_stand_apart_for_all_systems():
    rows = [row(version="j1"), row("bare", version="j2")]
    assert names(rows) == [("good", "gemini [j1]"), ("bare", "gemini [j2]")]


def test_what_has_no_answer_is_counted_with_the_commoner_version():
    rows = [row(version="j2"), row(version="j1"), row(version="j2"), row(score=None)]
    assert names(rows)[-1] == ("good", "gemini [j2]")


def test_an_answer_without_a_version_is_of_a_version_of_its_own():
    assert names([row(version="j1"), row()]) == [
        ("good", "gemini [j1]"),
        ("good", "gemini [version not stated]"),
    ]


def test_printed_systems_are_spelled_as_printed():
    assert as_printed("GPT-4o-Audio") == "GPT-4o Audio"
    assert as_printed("Alibaba-Cloud-API") == "Alibaba Cloud API"
    assert as_printed("Qwen2.5-Omni") == "Qwen2.5-Omni" and as_printed("mine") == "mine"
    assert names([row("GPT-4o-Audio", given="a"), row("GPT-4o-Audio", given="b")])[0] == (
        "GPT-4o Audio [a]",
        "gemini",
    )


VERSIONS = st.sampled_from([None, "v1", "v2"])


@given(st.lists(st.tuples(VERSIONS, VERSIONS, st.sampled_from([None, 6.0])), max_size=12))
def test_nothing_is_lost_and_no_name_holds_two_versions(given_rows):
    rows = [row(given=a, version=b, score=score) for a, b, score in given_rows]
    told = by_version(rows).verdicts
    assert [r.score_test for r in told] == [r.score_test for r in rows]
    assert all(
        (without_version(r.system), without_version(r.judge)) == ("good", "gemini") for r in told
    )
    for name, version in (("system", "system_version"), ("judge", "version")):
        held = {}
        for r in told:
            if r.score_test is not None or getattr(r, version):
                held.setdefault(getattr(r, name), set()).add(getattr(r, version))
        assert all(len(found) == 1 for found in held.values())
