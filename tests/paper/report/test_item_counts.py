"""The number of test items beside the paper's, and the parts of the difference."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scripts.paper.report.item_counts import differences_of, item_notes
from scripts.paper.report.published import ITEMS, read_published
from tests.paper.made_up import PUBLISHED, ROLES, dialogue, verdicts

PAPER = read_published(PUBLISHED / "roles.tsv")


def whole(role: str, language: str, items: int = ITEMS) -> list:
    """The test items of a role: the first half of single turns, the others of several."""
    return [
        dialogue(
            f"{role}{n}", mode=("single", "multi")[n // 2 % 2], idx=n % 2 + n // 4 * 2
        ).model_copy(update={"role": role, "language": language})
        for n in range(items)
    ]


def cast(**languages: str) -> list[dict[str, str]]:
    return [{"role": role, "language": own, "pool": "train"} for role, own in languages.items()]


def test_the_papers_cast_has_its_328_and_64():
    items = [item for row in PAPER for item in whole(row["role"], row["language"])]
    assert len(items) == 392
    assert item_notes(items, [], PAPER, PAPER) == [
        "English: N = 328, the paper's 328 (the same).",
        "Chinese: N = 64, the paper's 64 (the same).",
    ]


def test_each_reason_is_named_with_its_number_of_items():
    people = cast(ann="English", bob="English", cat="English", dan="English", mei="Chinese")
    items = [*whole("ann", "English"), *whole("bob", "English", 1), *whole("dan", "English", 6)]
    english, chinese = item_notes([*items, *whole("mei", "Chinese")], [], people, PAPER)
    assert english == (
        "English: N = 11, the paper's 328 (-312: 4 roles instead of 82; -4: no test item of 1 "
        "role (cat); -3: fewer than 4 items of 1 role (bob); +2: more than 4 items of 1 role "
        "(dan))."
    )
    assert chinese == "Chinese: N = 4, the paper's 64 (-60: 1 role instead of 16)."


def test_items_without_any_score_are_told_with_the_reason():
    items = [dialogue("a"), dialogue("b", "faye")]
    scores = verdicts(items[0], "good", 7) + verdicts(items[1], "good", 7)
    lost = {"score_test": None, "score_ref": None, "dropped": "no reference: silent"}
    scores = [v.model_copy(update=lost) if v.role == "faye" else v for v in scores]
    note = item_notes(items, scores, ROLES, PAPER)[0]
    assert note.startswith(
        "English: N = 2, the paper's 328 (-320: 2 roles instead of 82; -6: fewer"
    )
    assert note.endswith("1 of them have no score of any system (no reference: silent, 1).")


def test_released_scores_count_by_their_verdicts():
    scores = [v for item in whole("ayaka", "Chinese") for v in verdicts(item, "good", 7)]
    (chinese,) = item_notes([], scores, ROLES, PAPER)  # and no English ones
    assert chinese.startswith("Chinese: N = 4, the paper's 64 (-60: no test item of 15 roles (")


@given(
    st.dictionaries(st.text(max_size=2), st.integers(0, 7), max_size=9),
    st.lists(st.text(max_size=2), max_size=9),
    st.integers(0, 9),
)
def test_the_parts_add_up_to_the_difference(found, roles, paper):
    changes = differences_of(found, roles, paper)
    assert sum(number for number, _ in changes) == sum(found.values()) - ITEMS * paper
