"""Test items are removed from their pool, by hash or by a table."""

import pytest

from scripts.common.errors import UserError
from scripts.dialogues.split import split
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_rows
from tests.dialogues.tiny import dialogue
from tests.rows import written

ROWS = [
    dialogue(f"{role}{mode}{number}", role, mode, pool=pool)
    for role, pool in (("joe", "train"), ("faye", "out_of_domain"))
    for mode in ("single", "multi")
    for number in range(5)
]


def run(tmp_path, rows=ROWS, items=(), single=2, multi=2):
    folder = tmp_path / str(len(list(tmp_path.iterdir())))  # tables are read once a path
    folder.mkdir()
    table = folder / "test_items.tsv"
    table.write_text("\n".join(["role\tmode\tid", *("\t".join(item) for item in items)]) + "\n")
    outputs = [folder / f"{name}.jsonl" for name in ("train", "out_of_domain", "test")]
    kept = written(folder / "kept.jsonl", rows)
    split(kept, table, *outputs, shard="1-of-1", single=single, multi=multi)
    return [read_rows(path, Dialogue) for path in outputs]


def test_two_of_each_are_taken_out_of_their_pool_for_test(tmp_path):
    train, other, test = run(tmp_path)
    assert sorted(row.id for row in train + other + test) == sorted(row.id for row in ROWS)
    assert {row.role for row in train} == {"joe"} and len(train) == 6
    assert {row.role for row in other} == {"faye"} and len(other) == 6
    for role in ("joe", "faye"):
        for mode in ("single", "multi"):
            mine = [row for row in test if (row.role, row.mode) == (role, mode)]
            assert [row.idx for row in mine] == [0, 1]
    assert all(row.idx is None for row in train + other)


def test_the_order_of_the_file_does_not_matter(tmp_path):
    assert run(tmp_path, ROWS[::-1]) == run(tmp_path)


def test_named_items_come_first_and_in_the_order_of_the_table(tmp_path):
    keys = sorted(row.id for row in ROWS if row.role == "joe" and row.mode == "multi")
    named = [keys[-1], keys[2]]
    _, _, test = run(tmp_path, items=[("joe", "multi", key) for key in named])
    found = {row.idx: row.id for row in test if row.role == "joe" and row.mode == "multi"}
    assert found == {0: named[0], 1: named[1]}
    _, _, test = run(tmp_path, items=[("joe", "multi", named[0])])
    found = {row.idx: row.id for row in test if row.role == "joe" and row.mode == "multi"}
    assert found == {0: named[0], 1: keys[0]}
    train, _, test = run(tmp_path, items=[("joe", "multi", key) for key in keys])
    assert {row.mode for row in train} == {"single"} and len(test) == 11


def test_a_role_with_too_few_loses_nothing_and_says_so(tmp_path, capsys):
    rows = [dialogue("only", "joe", "single")]
    train, other, test = run(tmp_path, rows)
    assert (train, other, [row.idx for row in test]) == ([], [], [0])
    printed = capsys.readouterr().out
    assert "joe: 2 single-turn test dialogues wanted, 1 there." in printed
    assert "joe: 2 multi-turn test dialogues wanted, 0 there." in printed


def test_an_empty_shard_is_split_into_nothing(tmp_path):
    assert run(tmp_path, []) == [[], [], []]


@pytest.mark.parametrize(
    "item, sentence",
    [
        (("joe", "single", "0" * 12), "is no single-turn dialogue of role 'joe' that was kept"),
        (("jo", "single", ROWS[0].id), "did you mean 'joe'"),
        (("joe", "multi", ROWS[0].id), "is no multi-turn dialogue of role 'joe'"),
        (("joe", "single", "joe-1"), "line 2: id"),
        (("joe", "both", ROWS[0].id), "line 2: mode"),
    ],
)
def test_an_unknown_item_is_refused_with_a_sentence(tmp_path, item, sentence):
    with pytest.raises(UserError) as error:
        run(tmp_path, items=[item])
    assert sentence in str(error.value) and "test_items.tsv" in str(error.value)


def test_an_item_named_twice_is_refused(tmp_path):
    item = (ROWS[0].role, ROWS[0].mode, ROWS[0].id)
    with pytest.raises(UserError, match="named twice"):
        run(tmp_path, items=[item, item])


def test_a_smoke_run_takes_no_curated_items(tmp_path):
    """It has fewer dialogues than the table may name."""
    table = tmp_path / "test_items.tsv"
    table.write_text("role\tmode\tid\njoe\tsingle\t0123456789ab\n")
    outputs = [tmp_path / f"{name}.jsonl" for name in ("train", "out_of_domain", "test")]
    kept = written(tmp_path / "kept.jsonl", ROWS)
    split(kept, table, *outputs, shard="1-of-1", single=1, multi=1, curated=False)
    assert len(read_rows(outputs[2], Dialogue)) == 4
