"""Trying a backend of one's own: templates pass, and faults are told with the line of the file."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.workflow import specs

ROOT = Path(__file__).resolve().parents[2]
try_backend = importlib.import_module("scripts.setup.try")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Function (capability, change=(old, new)) -> a new backend from the template, changed; the
    working directory is the user's."""
    monkeypatch.chdir(tmp_path)
    loaded = {*sys.modules}

    def written(capability: str, *change: str) -> Path:
        file = Path(f"own/{capability}/my_{capability}.py")
        try_backend.main(["--new", str(file)])
        if change:
            text = file.read_text("utf-8")
            assert text.count(change[0]) == 1
            file.write_text(text.replace(*change), "utf-8")
        return file

    yield written
    for name in {*sys.modules} - loaded:
        if ".my_" in name:  # another test's file has the same name
            del sys.modules[name]
    specs.tree.cache_clear()
    specs.defaults.cache_clear()
    specs.required.cache_clear()


@pytest.mark.parametrize("language", ["English", "Chinese"])
@pytest.mark.parametrize("capability", specs.capabilities())
def test_every_template_passes(capability, language, folder):
    told = try_backend.main([str(folder(capability)), "--language", language])
    assert f"keeps the contract of {capability} " in told and "backend_paths: [own]" in told


def test_options_are_those_of_a_config(folder):
    file = folder("dialogue")
    assert "keeps the contract" in try_backend.main([str(file), "rate=24000"])
    with pytest.raises(UserError, match="has no option 'rat'; did you mean 'rate'"):
        try_backend.main([str(file), "rat=24000"])


REPLY = "[self.answer(request) for request in requests]"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("audio = request.user", "audio = 1 / 0"),
            r"line 28: ZeroDivisionError: division",
        ),
        (("audio = request.user", "audio = nothing"), r"line 28: NameError: name 'nothing'"),
        (
            ("audio = request.user", "audio = request.user.astype(float)"),
            r"line 21 \(reply\): the check asks for `answer.audio.dtype == np.float32`, and "
            r"`answer.audio.dtype` is dtype\('float64'\)",
        ),
        ((REPLY, f"{REPLY}[1:]"), r"line 21 \(reply\): `.*` does not work: not enough values"),
        (('voice_mode = "own"', 'voice_mode = "mine"'), r"line 15 \(voice_mode\): .* is 'mine'"),
        (('voice_mode = "own"', "mode = 1"), "line 12: System has no voice_mode, which a"),
        (("    def reply", "    def reply:"), "line 21: no valid Python"),
        (('ENV = "core"', "E = 1"), "does not set ENV"),
        (("import time", "import no_such_package"), "line 3: ModuleNotFoundError"),
    ],
)
def test_a_fault_is_a_sentence_with_the_line_of_the_file(change, sentence, folder):
    file = folder("dialogue", *change)
    with pytest.raises(UserError, match=rf"^(?s:.*)own/dialogue/my_dialogue.py,? .*{sentence}"):
        try_backend.main([str(file)])


def test_a_file_in_no_folder_of_a_capability_is_told(folder):
    with pytest.raises(UserError, match="folder 'dialog'; .* did you mean 'dialogue'"):
        try_backend.main(["own/dialog/mine.py"])
    with pytest.raises(UserError, match="does not exist; `--new own/dialogue/mine.py` writes one"):
        try_backend.main(["own/dialogue/mine.py"])


def test_a_file_is_never_written_over(folder):
    file = folder("dialogue")
    with pytest.raises(UserError, match="exists already"):
        try_backend.main(["--new", str(file)])


def test_it_is_a_command(folder):
    file = folder("dialogue")
    command = [sys.executable, "-m", "scripts.setup.try", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0 and "keeps the contract of dialogue" in run.stdout
    wrong = subprocess.run([*command, "no=1"], capture_output=True, text=True, env=environment)
    assert wrong.returncode == 1 and "Traceback" not in wrong.stderr
