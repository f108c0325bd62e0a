"""Items and their clean counterparts."""

from __future__ import annotations

import pytest

from scripts.duplex.counterparts import counterpart, together
from scripts.duplex.spans import Gap
from tests.rows.duplex import item


def test_an_item_is_in_the_batch_of_its_counterpart_and_each_is_there_once():
    rows = [item(key) for key in ("a", "b-clean", "c-clean", "d")]
    rows[1:1] = [item("b", clean="b-clean")]  # before it
    rows += [item("c", clean="c-clean"), item("e", clean="dropped")]  # after it; not there
    batches = [[row.id for row in batch] for batch in together(rows, 2)]
    assert batches == [["a", "b", "b-clean"], ["d", "c", "c-clean"], ["e"]]
    assert together([], 2) == []


def test_why_there_is_no_counterpart():
    with pytest.raises(Gap, match="the clean counterpart: it was dropped"):
        counterpart("a", {})
    with pytest.raises(Gap, match="the clean counterpart: no conversation"):
        counterpart("a", {"a": "no conversation"})
