"""Splits dialogues into train, out_of_domain and test (paper, section 3.3, Table 1).

`single` single-turn and `multi` multi-turn dialogues of each role form the test split; the rest
goes to the role's pool. The paper's test items are curated: those in config/test_items.tsv (role,
mode, id) come first, in the table's order; the remainder is filled up by id, which is a hash. A
role with too few dialogues has fewer test items, with a message.

As near-duplicates were dropped before, no test dialogue of a role is a near-duplicate of one of its
training dialogues, by the whole dialogue or the first question, whichever was compared; and across
roles, if they were compared within a language.
"""

from collections import defaultdict
from pathlib import Path

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.tables import located
from scripts.rows.dialogues import Dialogue, in_shard
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow import stage


def split(
    kept: Path,
    test_items: Path,
    train: Path,
    out_of_domain: Path,
    test: Path,
    shard: str,
    single: int,
    multi: int,
    curated: bool = True,
) -> None:
    """Write each of the kept dialogues to exactly one split; `idx` numbers a role's test items.

    Named items are all taken, even if more than `single` or `multi`; none is unless `curated`, as a
    smoke run has fewer dialogues than the table may name. Raises UserError if the table
    names a dialogue that the shard's role does not have.
    """
    rows = sorted(read_rows(kept, Dialogue), key=lambda row: (row.role, row.mode, row.id))
    groups: dict[tuple[str, str], list[Dialogue]] = defaultdict(list)
    for row in rows:
        groups[row.role, row.mode].append(row)
    named = _named(test_items, shard, groups) if curated else defaultdict(list)
    tested: set[str] = set()
    for role in sorted({row.role for row in rows}):
        for mode, wanted in (("single", single), ("multi", multi)):
            ids = named[role, mode]
            others = [row.id for row in groups[role, mode] if row.id not in ids]
            chosen = ids + others[: max(0, wanted - len(ids))]
            if len(chosen) < wanted:
                print(f"{role}: {wanted} {mode}-turn test dialogues wanted, {len(chosen)} there.")
            by_id = {row.id: row for row in groups[role, mode]}
            for number, key in enumerate(chosen):
                by_id[key].idx = number
            tested.update(chosen)
    rest = [row for row in rows if row.id not in tested]
    write_rows(test, [row for row in rows if row.id in tested])
    write_rows(train, [row for row in rest if row.pool == "train"])
    write_rows(out_of_domain, [row for row in rest if row.pool == "out_of_domain"])


def _named(path: Path, shard: str, groups: dict) -> dict[tuple[str, str], list[str]]:
    """The ids that the table names for the shard's roles, by role and mode, in its order."""
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    for where, item in located(path, "test_items"):
        role, mode, key = item["role"], item["mode"], item["id"]
        if not in_shard(role, shard):
            continue
        valid = [row.id for row in groups.get((role, mode), [])]
        if not valid:
            raise UserError(
                f"{where}: there is no {mode}-turn dialogue of role '{role}' to test"
                f"{nearest(role, {name for name, _ in groups})}"
            )
        if key not in valid:
            raise UserError(
                f"{where}: '{key}' is no {mode}-turn dialogue of role '{role}' that was kept"
                f"{nearest(key, valid)} A dialogue's id changes with its text; take it from "
                "results/dialogues/kept."
            )
        if key in named[role, mode]:
            raise UserError(f"{where}: '{key}' of role '{role}' is named twice; remove one row.")
        named[role, mode].append(key)
    return named


if __name__ == "__main__":
    stage.run(split, globals().get("snakemake"))
