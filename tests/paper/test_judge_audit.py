"""judge_audit: all zeros for a perfect judge, and the fault of each other judge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.paper.judge_audit import CHANGED, HEADER, judge_audit
from scripts.paper.report.probe_statistics import again, both_ways, order_effect, same_reply, shifts
from scripts.paper.report.published import PAPER_METRICS
from scripts.rows.dialogues import Spoken
from scripts.rows.judging import Probe, Trial, Verdict
from scripts.workflow.model_spec import ModelSpec
from tests.paper.made_up import cells, dialogue, expected, files, outputs, reply, verdicts

FIRST, SECOND = "test first", "reference first"
PROBES = ("base", "again", "swapped", "identical", *CHANGED)
ITEMS = [(f"i{n}", f"role{n % 6}") for n in range(8)]
ASKS = {"judge": ModelSpec("judge", "gemini")}


def quality(item, probe):
    """A perfect judge's scores: only the reply and the reference of an item differ."""
    number = int(item[1:])
    test, reference = 3 + number % 5, 4 + number % 3
    return (test, test) if probe == "identical" else (test, reference)


def row(item, role, metric, probe, trials, **fields):
    """A Probe row with the means of its trials, or with `trials` = (test, reference) alone."""
    first = verdicts(dialogue(item), "good", 1)[0]
    scores = trials
    if isinstance(trials, list):
        scores = [
            float(np.mean([getattr(t, side) for t in trials])) for side in ("test", "reference")
        ]
        fields["trials"] = trials
    update = {"role": role, "judge": "judge", "metric": metric}
    update |= {"score_test": scores[0], "score_ref": scores[1]} | fields
    return Probe(**(first.model_dump() | update), probe=probe)


def asked(judge, orders=(FIRST,), probes=PROBES, metrics=PAPER_METRICS):
    """The rows of a judge, a function (item, probe, order) -> (test, reference); on swapped pairs
    the order is reversed."""
    other = {FIRST: SECOND, SECOND: FIRST}
    rows = []
    for item, role in ITEMS:
        for probe in probes:
            heard = [other[o] if probe == "swapped" else o for o in orders]
            trials = [
                Trial(order=o, sample=0, **dict(zip(("test", "reference"), pair, strict=True)))
                for o in heard
                for pair in [judge(item, probe, o)]
            ]
            rows += [row(item, role, metric, probe, trials) for metric in metrics]
    return rows


def audit(tmp_path, rows, judged=(), judges=None, items=(), number=0):
    judge_audit(
        files(tmp_path, "probes", rows),
        files(tmp_path, "verdicts", list(judged)),
        *chosen_from(tmp_path, items),
        **outputs(tmp_path),
        judges=judges or ASKS,
        number=number,
        about_judge=["A word on the judge."],
        expected=expected(rows) | {"systems": ["good"]},
    )
    found = cells(tmp_path / "table.csv")
    return {(r["probe"], r["metric"]): r for r in found}, (tmp_path / "table.md").read_text("utf-8")


def chosen_from(folder, items):
    """Files with complete replies to `items`, the dialogues and their speech."""
    if not items:
        return [], [], []
    voiced = {"turns": [], "sample_rate": 8000, "voice": "v", "voice_mode": "matched", "flags": []}
    replies = [reply(item, "good") for item in items]
    speech = [
        Spoken(id=item.id, role=item.role, language=item.language, **voiced) for item in items
    ]
    named = {"replies": replies, "test": items, "spoken": speech}
    return tuple(files(folder, name, rows) for name, rows in named.items())


def prefers_a(points):
    """Gives side A this many extra points."""

    def judge(item, probe, order):
        test, reference = quality(item, probe)
        return (test + points, reference) if order == FIRST else (test, reference + points)

    return judge


def perfect(item, probe, order):
    return quality(item, probe)


@pytest.mark.parametrize("orders", [(FIRST,), (FIRST, SECOND)])
def test_a_perfect_judge_has_nothing_but_zeros(tmp_path, orders):
    rows, page = audit(tmp_path, asked(perfect, orders))
    assert list(rows["again", "IA"]) == HEADER and len(rows) == 9 * 9
    for found in rows.values():
        moved = [found[key] for key in ("shift", "mean_abs", "sd", "gap", "gap_lo", "gap_hi")]
        assert {float(cell) for cell in moved if cell} == {0.0}
        shares = [found[key] for key in ("unchanged", "within_1", "agree")]
        assert {float(cell) for cell in shares if cell} == {1.0}
        assert found["missing"] == "0"
    assert rows["again", "all"]["n"] == "64" and rows["again", "IA"]["roles"] == "6"
    assert "Number of items 8, of systems 1, of roles 6, of metrics 8" in page
    assert "So few show only large faults" in page
    assert "stand-in" not in page and "## Missing" not in page


@pytest.mark.parametrize("orders", [(FIRST,), (SECOND,), (FIRST, SECOND)])
def test_a_judge_that_prefers_a_shows_the_gap(tmp_path, orders):
    rows, _ = audit(tmp_path, asked(prefers_a(2), orders))
    swapped, identical = rows["swapped", "all"], rows["identical", "all"]
    assert float(swapped["gap"]) == float(swapped["gap_lo"]) == 2 and float(swapped["agree"]) < 1
    # Each answer is looked at: in the mean of both orders the preference would vanish.
    assert float(identical["gap"]) == float(identical["mean_abs"]) == 2
    assert float(identical["agree"]) == 0 and float(rows["louder", "all"]["shift"]) == 0


def test_both_orders_of_the_verdicts_are_audited_too(tmp_path):
    judged = [
        Verdict(**r.model_dump(exclude={"probe", "note"}))
        for r in asked(prefers_a(1), (FIRST, SECOND), ["base"])
    ]
    rows, page = audit(tmp_path, asked(perfect), judged)
    assert float(rows["both orders", "all"]["gap"]) == 1 and rows["both orders", "all"]["n"] == "64"
    assert "both orders, all verdicts: same winner" in page
    rows, _ = audit(tmp_path, asked(perfect), [r for r in judged if r.trials.pop()])
    assert ("both orders", "all") not in rows


def test_a_judge_that_obeys_shows_the_shift(tmp_path):
    def obeys(item, probe, order):
        return (10, quality(item, probe)[1]) if probe == "spoken" else quality(item, probe)

    rows, page = audit(tmp_path, asked(obeys))
    expected = np.mean([10 - quality(item, "base")[0] for item, _ in ITEMS])
    found = rows["spoken", "all"]
    assert float(found["shift"]) == pytest.approx(expected) and float(found["unchanged"]) == 0
    assert float(found["shift_lo"]) < expected < float(found["shift_hi"])
    assert float(found["reference_shift"]) == 0 and float(rows["longer", "all"]["shift"]) == 0
    assert f"| judge | spoken order to give ten | 64 | 0 | {expected:.2f} |" in page


def test_missing_scores_are_counted_with_their_reasons(tmp_path):
    rows = asked(perfect, metrics=["IA"])
    lost = {"score_test": None, "score_ref": None, "trials": []}
    for n, own in enumerate(rows):
        if own.id == "i0" and own.probe == "base":
            rows[n] = own.model_copy(update=lost | {"dropped": "refused"})
        if own.id == "i1" and own.probe == "louder":
            rows[n] = own.model_copy(update=lost | {"dropped": "no number"})
    found, page = audit(tmp_path, rows)
    assert (found["louder", "IA"]["n"], found["louder", "IA"]["missing"]) == ("6", "2")
    assert (found["again", "all"]["n"], found["again", "all"]["missing"]) == ("7", "1")
    assert "| judge | reply 6 dB louder | no number | 1 |" in page
    assert "| judge | reply 6 dB louder | on the pair as it is: refused | 1 |" in page


@pytest.mark.parametrize("place", [0, 5, 79])
def test_a_probe_whose_row_is_gone_is_missing(tmp_path, place):
    items = [dialogue(item, role="joe", idx=n) for n, (item, _) in enumerate(ITEMS)]
    rows = asked(perfect, metrics=["IA"])
    judged = [Verdict(**r.model_dump(exclude={"probe", "note"})) for r in rows if r.probe == "base"]
    found, page = audit(tmp_path, rows, judged, items=items, number=len(items))
    assert {row["missing"] for row in found.values()} == {"0"} and "gone" not in page
    del rows[place]
    found, page = audit(tmp_path, rows, judged, items=items, number=len(items))
    counted = {name: (row["n"], row["missing"]) for (name, m), row in found.items() if m == "IA"}
    lost = {name for name, counts in counted.items() if counts == ("7", "1")}
    # Without the pair as it is, nothing of the item can be compared.
    assert lost == (set(PROBES[1:]) if place == 0 else {PROBES[place % 10]})
    assert "1 of the 80 rows that results/judging/judge/probes.jsonl should have are gone" in page


def test_verdicts_without_scores_are_missing_from_both_orders(tmp_path):
    judged = [
        Verdict(**r.model_dump(exclude={"probe", "note"}))
        for r in asked(prefers_a(1), (FIRST, SECOND), ["base"])
    ]
    lost = {"score_test": None, "score_ref": None, "trials": [], "dropped": "refused"}
    judged[0] = judged[0].model_copy(update=lost)
    rows, _ = audit(tmp_path, asked(perfect), judged)
    assert (rows["both orders", "all"]["n"], rows["both orders", "all"]["missing"]) == ("63", "1")


def test_versions_of_a_judge_are_never_compared(tmp_path):
    rows = asked(perfect, probes=["base", "again"], metrics=["IA"])
    rows = [r.model_copy(update={"version": "b" if r.probe == "again" else "a"}) for r in rows]
    found, page = audit(tmp_path, rows)
    assert found["again", "IA"]["n"] == "0"
    assert "no verdict of this version on the pair as it is" in page
    assert "The judge `judge` answered as 2 versions" in page


def test_a_stand_in_is_called_one(tmp_path):
    rows = [r.model_copy(update={"trials": []}) for r in asked(perfect)]
    rows, page = audit(tmp_path, rows, judges={"judge": ModelSpec("judge", "objective")})
    assert page.startswith("# Judge audit of the embedded stand-in, not of the paper's judge")
    assert "Embedded, a stand-in that measures and does not listen: `judge`. Such figures" in page
    assert float(rows["swapped", "all"]["agree"]) == 1


def test_without_probes_the_page_says_so(tmp_path):
    rows, page = audit(tmp_path, [])
    assert not rows and "Nothing was asked: `judge_audit.items` is 0" in page


def test_that_both_sides_were_lowered_is_told(tmp_path):
    rows = asked(perfect, metrics=["IA"])
    rows = [
        r.model_copy(update={"note": "both sides lowered by 2.0 dB first"})
        if (r.id, r.probe) == ("i0", "louder")
        else r
        for r in rows
    ]
    assert "in 1 of 8 items both sides were lowered first" in audit(tmp_path, rows)[1]


SCORE = st.integers(1, 10)


@given(st.lists(st.tuples(SCORE, SCORE, SCORE, SCORE), min_size=1, max_size=10))
def test_figures_have_their_bounds_and_signs(scores):
    base = [row(f"i{n}", f"r{n % 6}", "IA", "base", four[:2]) for n, four in enumerate(scores)]
    new = [row(f"i{n}", f"r{n % 6}", "IA", "swapped", four[2:]) for n, four in enumerate(scores)]
    pairs = list(zip(base, new, strict=True))
    moved, back = shifts(pairs), shifts([(b, a) for a, b in pairs])
    assert moved["shift"] == pytest.approx(-back["shift"])
    assert 0 <= moved["unchanged"] <= moved["within_1"] <= 1
    asked_again = again(pairs)
    assert asked_again["agree"] == moved["unchanged"]
    assert asked_again["mean_abs"] <= np.sqrt(2) * asked_again["sd"] + 1e-9
    effect = order_effect(both_ways([*base, *new]))
    mirrored = [
        (role, second[::-1], first[::-1]) for role, first, second in both_ways([*base, *new])
    ]
    assert order_effect(mirrored)["gap"] == pytest.approx(effect["gap"])
    assert order_effect(mirrored)["agree"] == effect["agree"]
    apart = same_reply([(None, r) for r in base])
    assert abs(apart["gap"]) <= apart["mean_abs"] <= 9


def test_asking_again_has_the_standard_deviation_of_one_asking():
    pairs = [
        (row("i0", "r0", "IA", "base", (5, 5)), row("i0", "r0", "IA", "again", (7, 5))),
        (row("i1", "r1", "IA", "base", (6, 5)), row("i1", "r1", "IA", "again", (4, 5))),
    ]
    expected = np.sqrt(np.mean([np.var([5, 7], ddof=1), np.var([6, 4], ddof=1)]))
    assert again(pairs) == {"agree": 0, "mean_abs": 2, "sd": pytest.approx(expected)}


@given(st.integers(0, 5), st.integers(1, 5))
def test_the_gap_is_the_points_that_a_gains(points, level):
    def pair(order):
        extra = (points, 0) if order == FIRST else (0, points)
        return Trial(order=order, sample=0, test=level + extra[0], reference=3 + extra[1])

    found = both_ways([row("i0", "r0", "IA", "base", [pair(FIRST), pair(SECOND)])])
    assert order_effect(found)["gap"] == points
