"""What a code change reruns: only what it can affect."""

from __future__ import annotations

import re
import shutil

import pytest

from scripts.common.paths import ROOT
from scripts.workflow import code_digest, specs
from scripts.workflow.model_spec import ModelSpec

STAGES = sorted(
    path.relative_to(ROOT / "scripts").with_suffix("").as_posix()
    for phase in ("corpus", "roles", "dialogues", "systems", "judging", "paper")
    for path in (ROOT / f"scripts/{phase}").glob("*.py")
    if "stage.run(" in path.read_text("utf-8")
)
EAR = ModelSpec("asr", "faster_whisper")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the code; function (file, old, new) -> the stages whose digest that changes, and
    "asr" if its backend's cached results are invalidated. The file is restored."""
    home = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "scripts", home / "scripts", ignore=shutil.ignore_patterns("*.pyc"))
    cached = (
        *(specs.tree, code_digest.imports, code_digest._effective, code_digest._digest),
        specs.defaults,
    )

    def digests():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(code_digest, "ROOT", home)
            patch.setattr(specs, "BACKENDS", home / "scripts/backends")
            for one in cached:
                one.cache_clear()
            found = {stage: code_digest.code(stage) for stage in STAGES}
            found["asr"] = code_digest.code(None, EAR)
        for one in cached:
            one.cache_clear()
        return found

    before = digests()

    def change(file, old, new):
        path = home / "scripts" / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
        after = digests()
        path.write_text(text, "utf-8")
        return {name for name in before if before[name] != after[name]}

    return change


def of(*phases):
    return {stage for stage in STAGES if stage.split("/")[0] in phases}


def test_a_new_type_of_row_reaches_who_uses_its_phase(project):
    changed = project(
        "rows/systems.py",
        "class Reply(Row):",
        "class Odd(Row):\n    id: str\n\n\nclass Reply(Row):",
    )
    assert {"systems/respond", "judging/judge"} <= changed
    assert not changed & of("corpus", "roles", "dialogues") and "asr" not in changed


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("common/documents.py", "unknown key", "no such key"),
        ("common/documents.py", "did you mean", "do you mean"),
        ("common/tables.py", "does not exist", "is nowhere"),
        ("common/weights.py", "the model '{name}' (licence", "the weights '{name}' (licence"),
        ("corpus/segment.py", "raise UserError(", "raise UserError('that is: ' "),
        ("workflow/specs.py", "no model is called", "there is no model"),
        ("workflow/cost.py", "def estimate(", "def one(): ...\n\n\ndef estimate("),
        ("services/ledger.py", "SLOWER = 0.8", "SLOWER = 0.7"),
        ("corpus/rate.py", '"""', '"""As it is said: '),
        ("corpus/rate.py", "\n\n\n", "\n\n\n# because\n"),
    ],
)
def test_sentences_planning_and_reading_of_config_make_nothing_again(project, file, old, new):
    assert project(file, old, new) == set()


@pytest.mark.parametrize(
    "file, old, new, reached",
    [
        ("corpus/rate.py", "BATCH = 16", "BATCH = 8", {"corpus/rate"}),
        ("backends/asr/faster_whisper.py", "\ndef load(", "\nODD = 1\n\n\ndef load(", {"asr"}),
    ],
)
def test_code_makes_again_what_it_makes(project, file, old, new, reached):
    assert reached <= project(file, old, new) <= reached | of("judging", "paper")


def test_a_protocol_of_services_counts(project):
    spec = ModelSpec("llm", "openai")
    files = {path.name for path in code_digest.sources(None, spec)}
    assert "openai_chat.py" in files and not files & {"client.py", "ledger.py", "prices.py"}


def test_every_neutral_place_exists():
    for place in code_digest.NEUTRAL:
        assert (ROOT / "scripts" / place).exists()
    for name in code_digest.PROTOCOLS:
        assert (ROOT / "scripts/services" / name).is_file()


def test_sentences_in_errors_alone_are_passed_over(tmp_path):
    """A reason that goes into a row is a result."""
    file = tmp_path / "a.py"
    said = []
    for text in ('row.dropped = f"no {x}"', 'row.dropped = f"not {x}"', 'raise UserError(f"{x}")'):
        file.write_text(text)
        specs.tree.cache_clear()
        said.append(code_digest._effective.__wrapped__(file))
    assert len(set(said)) == 3 and not re.search("FormattedValue", said[2])


def digest_of(tmp_path, source):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
    path.write_text(source, "utf-8")
    return code_digest._effective(path)


@pytest.mark.parametrize(
    "one, other",
    [
        ("{**a, b: c}", "{b: a, **c}"),
        ("f(a, b=c)", "f(a, c)"),
        ("f(a)(b)", "f(a, b)"),
        ("x = 1", "x = True"),
        ("x = None", "x: None"),
        ("def f(*, a, b=1): ...", "def f(*, a=1, b): ..."),
        ("if a:\n    b\n    c", "if a:\n    b\nc"),
        ("raise KeyError('a')", "raise KeyError('b')"),
    ],
)
def test_code_that_does_something_else_has_another_digest(tmp_path, one, other):
    assert digest_of(tmp_path, one) != digest_of(tmp_path, other)


def test_docstrings_comments_layout_and_the_messages_of_user_errors_do_not_count(tmp_path):
    one = 'def f(a):\n    """One."""\n    raise UserError(f"{a} is bad")  # why\n'
    other = "def f(\n    a,\n):\n    raise UserError('no such thing', a)\n"
    assert digest_of(tmp_path, one) == digest_of(tmp_path, other)
