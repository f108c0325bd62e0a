"""Every table keeps versions of systems and judges apart."""

from hypothesis import given
from hypothesis import strategies as st

from scripts.paper.report.published import as_printed
from scripts.paper.report.versioned_verdicts import by_version, without_version
from tests.paper.made_up import dialogue, verdicts


def row(system="good", judge="gemini", given=None, version=None, score=6.0):
    first = verdicts(dialogue("a"), system, score or 1.0)[0]
    update = {"judge": judge, "system_version": given, "version": version}
    if score is None:
        update |= {"score_test": None, "score_ref": None, "dropped": "refused"}
    return first.model_copy(update=update)


def names(rows):
    return [(row.system, row.judge) for row in by_version(rows).verdicts]


def test_one_version_changes_nothing_and_says_nothing(capsys):
    rows = [row(given="v1", version="j1"), row(given="v1", version="j1", score=None)]
    told = by_version(rows)
    assert told.verdicts == rows and told.notes == [] and capsys.readouterr().out == ""
    assert names([row(), row(score=None)]) == [("good", "gemini")] * 2


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
