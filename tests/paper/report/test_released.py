"""Released scores: both of the authors' formats, any CSV, and everything that must be refused."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.paper.report.published import PAPER_METRICS, read_published
from scripts.paper.report.released import COLUMNS, NAMES, files_of, read_released, read_scores
from scripts.paper.report.scores import refuse_missing, score_rows
from scripts.rows.judging import Verdict
from tests.paper.made_up import PUBLISHED, ROLES, dialogue, files, verdicts

PUBLISHED_ROLES = read_published(PUBLISHED / "roles.tsv")
SHIPPED = PUBLISHED / "released_scores_qwen2.5-omni_zh.csv"


def table(path, changes=(), header=COLUMNS, metrics=NAMES, system="New", role="hutao"):
    """A CSV of one item of `role`, with each of `changes` (row number, column, value) applied."""
    rows = [
        dict(zip(COLUMNS, (system, role, "single", "0", metric, "8", "9"), strict=True))
        for metric in metrics
    ]
    for number, column, value in changes:
        rows[number][column] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def results(test, reference, metrics=NAMES):
    return {f"{name}_results": {"reason": "", "score": [test, reference]} for name in metrics}


def authors(folder, items, mode="single", system="New", role="hutao"):
    """A file in the authors' layout."""
    path = folder / system / mode / f"{role}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(items if isinstance(items, str) else json.dumps(items), encoding="utf-8")
    return path


def given_of(paths, roles=PUBLISHED_ROLES):
    """The rows that have scores."""
    return [row for row in read_released(paths, roles) if row.dropped is None]


def test_the_shipped_scores_give_the_printed_rows():
    rows = read_released([SHIPPED], PUBLISHED_ROLES)
    assert len(rows) == 512 and all(row.score_test is not None for row in rows)
    shown = [("all", row) for row in read_published(PUBLISHED / "table2.tsv")]
    shown += [(row["domain"], row) for row in read_published(PUBLISHED / "table3.tsv")]
    shown = {
        domain: row
        for domain, row in shown
        if (row["language"], row["system"]) == ("Chinese", "Qwen2.5-Omni")
    }
    found = score_rows(rows, ["all", "in_domain", "out_of_domain"])
    assert [row["domain"] for row in found] == list(shown)
    for row in found:
        for cell in (*PAPER_METRICS, "overall"):
            assert row[cell] == pytest.approx(shown[row["domain"]][cell], abs=0.00055), cell


def test_the_authors_two_shapes_and_a_csv_give_the_same_rows(tmp_path):
    flat = [{"idx": 1, **results(7, 10)}, results(8, 9) | {"idx": 0}]
    nested = [[{"idx": 0, **results(8, 9)}], [{"idx": 0, **results(7, 10, reversed(NAMES))}]]
    authors(tmp_path / "flat", flat)
    authors(tmp_path / "nested", nested)
    first = table(tmp_path / "first.csv")
    second = [
        (n, column, v)
        for n in range(8)
        for column, v in zip(("idx", "score_test", "score_ref"), "1 7 10".split(), strict=True)
    ]
    both = [first, table(tmp_path / "second.csv", second)]

    def read(paths):
        return {(r.id, r.metric): r for r in given_of(paths)}

    expected = read(both)
    assert len(expected) == 16 and expected["hutao/single/1", "KC"].score_test == 7
    assert read(files_of(tmp_path / "flat")) == expected == read(files_of(tmp_path / "nested"))


def test_a_folder_of_one_system_is_read_too(tmp_path):
    authors(tmp_path, [results(8, 9)], mode="multi")
    (path,) = files_of(tmp_path / "New")
    assert {(r.system, r.mode) for r in given_of([path])} == {("New", "multi")}


def test_roles_go_by_the_printed_name_and_by_the_runs_own(tmp_path):
    stanley = table(tmp_path / "a.csv", role="Stanley Ipkiiss")
    joe = table(tmp_path / "b.csv", role="joe")
    rows = read_scores([], [stanley, joe], PUBLISHED / "roles.tsv", ROLES).verdicts
    assert {(r.role, r.language, r.pool) for r in rows if r.dropped is None} == {
        ("Stanley Ipkiss", "English", "out_of_domain"),
        ("joe", "English", "train"),
    }
    own = verdicts(dialogue("a"), "good", 4)
    read = read_scores(files(tmp_path, "own", own), [], PUBLISHED / "roles.tsv", ROLES)
    assert read.verdicts == own and read.notes == []


def test_a_metric_that_an_item_lacks_is_missing_with_a_reason(tmp_path):
    path = table(tmp_path / "a.csv", metrics=["IA", "Speech_Fluency"])
    rows = [row for row in read_released([path], PUBLISHED_ROLES) if row.id == "hutao/single/0"]
    lost = [row for row in rows if row.score_test is None]
    assert len(rows) == 8 and len(lost) == 6
    assert {row.dropped for row in lost} == {"not in the released scores"}
    assert all(isinstance(row, Verdict) for row in rows)


def test_items_that_were_left_out_are_missing(tmp_path):
    """The best half of a system's dialogues is not the system."""
    lines = SHIPPED.read_text("utf-8").splitlines()
    path = tmp_path / "half.csv"
    path.write_text("\n".join([lines[0], *(x for x in lines[1:] if ",single," in x)]), "utf-8")
    rows = read_released([path], PUBLISHED_ROLES)
    assert len(rows) == 512 and len(given_of([path])) == 256
    assert {row.dropped for row in rows if row.mode == "multi"} == {"not in the released scores"}
    with pytest.raises(UserError, match="256 of the 512 scores of Qwen2.5-Omni"):
        refuse_missing(rows, 0.01)


def test_an_item_more_does_not_hide_those_that_were_left_out(tmp_path):
    """A row of an item that the paper has not, beside the best half of the paper's."""
    lines = SHIPPED.read_text("utf-8").splitlines()
    half = [x for x in lines[1:] if ",single," in x]
    more = half[0].replace(",single,0,", ",single,7,")
    path = tmp_path / "half.csv"
    path.write_text("\n".join([lines[0], *half, more]), "utf-8")
    rows = read_released([path], PUBLISHED_ROLES)
    assert len(rows) == 65 * 8 and len(given_of([path])) == 257
    with pytest.raises(UserError, match="263 of the 520 scores of Qwen2.5-Omni"):
        refuse_missing(rows, 0.01)


def test_a_further_metric_of_chosen_items_is_missing_elsewhere(tmp_path):
    path = table(tmp_path / "a.csv", metrics=["IA", "Wit"])
    rows = read_released([path], PUBLISHED_ROLES, (*PAPER_METRICS, "Wit", "Grace"))
    lost = [row for row in rows if row.metric == "Wit" and row.dropped]
    assert len(lost) == 63 and not [row for row in rows if row.metric == "Grace"]


def test_a_language_without_any_score_is_not_missing(tmp_path):
    rows = read_released([table(tmp_path / "a.csv")], PUBLISHED_ROLES)
    assert {row.language for row in rows} == {"Chinese"} and len(rows) == 16 * 4 * 8


def test_items_of_other_roles_are_all_that_any_system_has(tmp_path):
    (joe,) = [row for row in ROLES if row["role"] == "joe"]
    more = table(tmp_path / "a.csv", role="joe")
    also = table(tmp_path / "b.csv", [(n, "idx", "5") for n in range(8)], role="joe")
    other = table(tmp_path / "c.csv", role="joe", system="Other")
    rows = read_released([more, also, other], [*PUBLISHED_ROLES, joe])
    lost = {(row.system, row.id) for row in rows if row.dropped}
    assert lost == {("Other", "joe/single/5")} and len(rows) == 4 * 8


def test_a_judge_may_be_named(tmp_path):
    path = table(tmp_path / "a.csv", [(n, "judge", "v2") for n in range(8)], (*COLUMNS, "judge"))
    assert {row.judge for row in read_released([path], PUBLISHED_ROLES)} == {"v2"}
    path = table(tmp_path / "b.csv")
    assert {row.judge for row in read_released([path], PUBLISHED_ROLES)} == {"not stated"}


@pytest.mark.parametrize(
    "column, value, sentence",
    [
        *(
            ("score_test", value, f"line 4: SF, score_test is '{value}'; a score is a whole number")
            for value in ("0", "11", "8.5", "true", "NaN", "", "-3", "1e1", "８")
        ),
        ("score_ref", "", "line 4: SF, score_ref is ''"),
        ("score_ref", "0", "line 4: SF, score_ref is '0'"),
        ("role", "guojng", "line 4: unknown role 'guojng'; did you mean 'guojing'?"),
        ("metric", "Speech_Fluencey", "unknown metric 'Speech_Fluencey'; did you mean 'Speech_Fl"),
        ("mode", "singel", "unknown mode 'singel'; did you mean 'single'?"),
        ("idx", "-1", "line 4: idx is '-1'"),
        ("system", " ", "line 4: the system has no name"),
        ("metric", "IA", "line 4: IA of hutao, single 0, by New stands in .*line 2 already"),
    ],
)
def test_a_doubtful_row_is_refused_by_file_and_line(tmp_path, column, value, sentence):
    path = table(tmp_path / "a.csv", [(2, column, value)])
    with pytest.raises(UserError, match=sentence.replace("?", r"\?")) as error:
        read_released([path], PUBLISHED_ROLES)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "score, told",
    [([0, 9], "0"), ([11, 9], "11"), ([8.5, 9], "8.5"), ([True, 9], "True"), ([None, 9], "None")],
)
def test_a_doubtful_score_in_json_is_refused(tmp_path, score, told):
    path = authors(tmp_path, [results(8, 9), results(8, 9) | {"idx": 1} | results(*score)])
    with pytest.raises(UserError, match=rf"item 2: IA, score_test is {told}"):
        read_released([path], PUBLISHED_ROLES)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ('[{"idx": 0, "Speech_Fluency_results": {"sc', "is not whole JSON"),
        ("[]", "a list with at least one item"),
        ('[["x"]]', "item 1: an object"),
        ('[{"Speech_Fluency_results": {"score": [8]}}]', 'item 1, Speech_Fluency: "score"'),
        ('[{"idx": true, "Speech_Fluency_results": {"score": [8, 9]}}]', "idx is True"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, text, sentence):
    path = authors(tmp_path, text)
    with pytest.raises(UserError, match=sentence) as error:
        read_released([path], PUBLISHED_ROLES)
    assert "hutao.json" in str(error.value)


def test_nan_in_json_is_refused(tmp_path):
    path = authors(tmp_path, json.dumps([results(float("nan"), 9)]))
    with pytest.raises(UserError, match="score_test is nan"):
        read_released([path], PUBLISHED_ROLES)


def test_the_same_file_twice_is_refused(tmp_path):
    first = table(tmp_path / "a.csv")
    second = tmp_path / "b.csv"
    second.write_bytes(first.read_bytes())
    with pytest.raises(UserError, match="a.csv and .*b.csv are the same file"):
        read_released([first, second], PUBLISHED_ROLES)
    path = authors(tmp_path, [results(8, 9)])
    with pytest.raises(UserError, match="stands in .*hutao.json, item 1 already"):
        read_released([path, path], PUBLISHED_ROLES)


@pytest.mark.parametrize(
    "header, sentence",
    [
        ([*COLUMNS, "scroe"], "unknown column 'scroe'"),
        (COLUMNS[:-1], "line 1: the column 'score_ref' is missing"),
        ([*COLUMNS, "role"], "line 1: the column 'role' is there twice"),
    ],
)
def test_other_columns_are_refused(tmp_path, header, sentence):
    with pytest.raises(UserError, match=sentence):
        read_released([table(tmp_path / "a.csv", header=header)], PUBLISHED_ROLES)


def test_a_table_is_read_whatever_its_ending_and_mark(tmp_path):
    plain = table(tmp_path / "a.csv")
    rows = read_released([plain], PUBLISHED_ROLES)
    text = plain.read_text("utf-8")
    for name, written in (
        ("b.CSV", "\ufeff" + text),
        ("c.tsv", text.replace(",", "\t")),
        ("d.csv", text.replace("hutao", " hutao\u00a0") + ",,,,,,\n"),
    ):
        (tmp_path / name).write_text(written, "utf-8")
        assert read_released(files_of(tmp_path / name), PUBLISHED_ROLES) == rows
    (tmp_path / "e.csv").write_bytes(text.encode("utf-16"))
    with pytest.raises(UserError, match="e.csv is UTF-16"):
        read_released([tmp_path / "e.csv"], PUBLISHED_ROLES)
    (tmp_path / "f.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match="f.xlsx is no .csv, .tsv or .json file"):
        files_of(tmp_path / "f.xlsx")


@given(
    st.lists(
        st.sampled_from([(r, m) for r in ("hutao", "liyunlong") for m in NAMES]),
        min_size=1, unique=True,
    ),
    st.sampled_from([(".csv", ","), (".CSV", ","), (".tsv", "\t"), (".Tsv", "\t")]),
    st.sampled_from(["utf-8", "utf-8-sig"]), st.sampled_from(["\n", "\r\n"]), st.booleans(),
    st.permutations(COLUMNS),
)  # fmt: skip
def test_any_table_gives_its_scores_and_nothing_else(
    tmp_path_factory, cells, form, encoding, end, quoted, columns
):
    (ending, separator), path = form, tmp_path_factory.mktemp("scores") / "a"
    rows = [
        dict(zip(COLUMNS, ("New", role, "multi", str(number), metric, "3", "9"), strict=True))
        for number, (role, metric) in enumerate(cells)
    ]
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    mark = '"' if quoted else ""
    text = "".join(separator.join(f"{mark}{cell}{mark}" for cell in line) + end for line in lines)
    path = path.with_name(f"a{ending}")
    path.write_bytes(text.encode(encoding))
    found = [row for row in read_released([path], PUBLISHED_ROLES) if row.score_test is not None]
    assert [(r.role, r.metric, r.idx, r.score_test, r.score_ref) for r in found] == [
        (role, NAMES[metric], number, 3, 9) for number, (role, metric) in enumerate(cells)
    ]


def test_what_a_mac_lays_beside_files_is_passed_over(tmp_path):
    path = authors(tmp_path, [results(8, 9)])
    path.rename(path.with_suffix(".JSON"))
    path.with_name("._hutao.json").write_bytes(b"\0\5\x16\7")
    assert [file.name for file in files_of(tmp_path)] == ["hutao.JSON"]
    assert len(given_of(files_of(tmp_path))) == len(NAMES)


def test_a_score_that_stands_twice_in_an_item_is_refused(tmp_path):
    twice = '[{"Speech_Fluency_results": {"score": [8, 9]}, '
    path = authors(tmp_path, twice + '"Speech_Fluency_results": {"score": [2, 9]}}]')
    with pytest.raises(UserError, match="hutao.json: 'Speech_Fluency_results' is there twice"):
        read_released([path], PUBLISHED_ROLES)


def test_a_short_line_is_refused(tmp_path):
    path = table(tmp_path / "a.csv")
    path.write_text(path.read_text("utf-8") + "New,hutao,single\n", "utf-8")
    with pytest.raises(UserError, match="line 10: there must be 7 cells"):
        read_released([path], PUBLISHED_ROLES)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="none.csv does not exist"):
        files_of(tmp_path / "none.csv")
    with pytest.raises(UserError, match="holds no files"):
        files_of(tmp_path)


def test_what_is_hidden_is_passed_over_and_other_forms_are_told(tmp_path):
    authors(tmp_path, [results(8, 9)], system=".trash")
    authors(tmp_path, [results(8, 9)], role=".hutao")
    authors(tmp_path, [results(8, 9)], mode="Single")
    rows = given_of(files_of(tmp_path))
    assert {(row.system, row.mode) for row in rows} == {("New", "single")}
    for name in ("hutao.jsonl", "hutao.json.gz", "Scores.CSV"):
        other = tmp_path / "New" / "Single" / name
        other.write_bytes(b"x")
        with pytest.raises(UserError, match=f"{name} is no .json file"):
            files_of(tmp_path)
        other.unlink()


@pytest.mark.parametrize("score", ["9" * 5000, "[" * 100_000, "NaN"])
def test_json_that_no_number_can_hold_is_refused(tmp_path, score):
    path = authors(tmp_path, f'[{{"Speech_Fluency_results": {{"score": [8, {score}]}}}}]')
    with pytest.raises(UserError, match="hutao.json"):
        read_released([path], PUBLISHED_ROLES)


def test_half_a_letter_in_a_name_can_be_told(tmp_path):
    path = authors(tmp_path, '[{"Speech\\ud83d_results": {"score": [8, 9]}}]')
    with pytest.raises(UserError, match="unknown metric 'Speech'") as error:
        read_released([path], PUBLISHED_ROLES)
    str(error.value).encode()


def test_what_holds_no_scores_is_refused(tmp_path):
    with pytest.raises(UserError, match="item 2: it has no metric's results"):
        read_released([authors(tmp_path, [results(8, 9), {"idx": 1}])], PUBLISHED_ROLES)
    with pytest.raises(UserError, match="a.csv holds no scores"):
        read_released([table(tmp_path / "a.csv", metrics=[])], PUBLISHED_ROLES)
    with pytest.raises(UserError, match="b.csv is no CSV that can be read"):
        read_released([table(tmp_path / "b.csv", system="x" * 200_000)], PUBLISHED_ROLES)


@pytest.mark.parametrize(
    ("only", "items"),
    [
        ({"roles": [], "items": None}, 64),
        ({"roles": ["ayaka", "hutao"], "items": None}, 8),
        ({"roles": ["ayaka"], "items": 1}, 2),
    ],
)
def test_a_smoke_run_takes_the_scores_of_its_roles_and_items(only, items):
    roles = PUBLISHED / "roles.tsv"
    found = read_scores([], [SHIPPED], roles, [], only=only).verdicts
    assert len({row.id for row in found}) == items and len(found) == 8 * items
    assert not only["roles"] or {row.role for row in found} == set(only["roles"])


def test_a_smoke_run_without_a_score_says_so():
    only = {"roles": ["Mater"], "items": None}
    with pytest.raises(UserError, match="released_scores: they have no score of the roles of `o"):
        read_scores([], [SHIPPED], PUBLISHED / "roles.tsv", [], only=only)
