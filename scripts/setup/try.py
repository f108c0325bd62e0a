"""Tries a backend of your own: `python -m scripts.setup.try own/dialogue/mine.py OPTION=VALUE`.

Loads it with the given options, as `models` of a config would, and runs the acceptance check of
its capability (`accept` in scripts/backends/<capability>/__init__.py) on a short sentence. A fault
is told in a sentence with the line of the file. `--new own/dialogue/mine.py` writes a backend to
begin from, which passes: the template of that capability, in scripts/setup/templates.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import time
import traceback
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any

import soxr
import yaml

from scripts import backends
from scripts.backends import dialogue, duplex, judge
from scripts.common import audio
from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

TEMPLATES = Path(__file__).with_name("templates")
SOUNDS = Path(__file__).with_name("sounds")  # by Kokoro; a sentence for each language
SAID = {
    "English": "Good evening, my old friend. Where did you hide the treasure?",
    "Chinese": "晚上好，老朋友。你把宝藏藏在哪里了？",
}
ALIKE = {  # two that mean the same, and one that does not
    "English": (
        "Where did you hide the treasure?",
        "In which place did you hide the treasure?",
        "I am afraid of thunderstorms.",
    ),
    "Chinese": ("你把宝藏藏在哪里了？", "宝藏被你藏在哪里了？", "我害怕暴风雨。"),
}


class Watched:
    """A backend, and which of its attributes the check used last."""

    def __init__(self, model: Any):
        self._model, self._last = model, ""

    def __getattr__(self, name: str) -> Any:
        self._last = name
        return getattr(self._model, name)


def spec_of(file: Path, options: dict[str, Any]) -> ModelSpec:
    """The spec of the backend in `file`, <folder>/<capability>/<name>.py, with its options; one
    that is named as a capability names a model of config/config.yaml.

    Raises UserError for a file that is missing or lies in a folder of no capability, and for what
    `specs.resolve` refuses.
    """
    capability = capability_of(file)
    if not file.is_file():
        raise UserError(f"{file} does not exist; `--new {file}` writes one to begin from.")
    models = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))["models"]
    models[file.stem] = {"capability": capability, "backend": file.stem, **options}
    own = file.absolute().parent.parent
    folders = () if own == specs.BACKENDS else (str(own),)
    return specs.resolve(models, file.stem, capability, str(file), folders)


def capability_of(file: Path) -> str:
    """The capability of a backend, which its folder is named after."""
    name, known = file.absolute().parent.name, specs.capabilities()
    if name not in known:
        raise UserError(
            f"{file} lies in the folder '{name}'; a backend is a file <folder>/<capability>/"
            f"<name>.py{nearest(name, known)}"
        )
    return name


def fault(file: Path, spec: ModelSpec, language: str) -> str | None:
    """What is wrong with the backend in `file`, in a sentence, or None.

    Raises UserError as the backend does, where a package or its weights are missing.
    """
    contract, model = backends.contract(spec.capability), Watched(None)
    try:
        model = Watched(backends.load(spec))
        contract.accept(model, *given(spec, model, language))
    except UserError:
        raise
    except Exception as error:
        return told(error, file, model, contract)
    return None


def given(spec: ModelSpec, model: Any, language: str) -> tuple:
    """What the check of a capability gets beside the backend."""
    if spec.capability == "dialogue" and language not in model.languages:
        language = next((known for known in SAID if known in model.languages), language)
    said, speech = SAID[language], audio.read(SOUNDS / f"{language}.ogg")
    match spec.capability:
        case "llm" | "separation":
            return ()
        case "embedding":
            return (ALIKE[language],)
        case "asr":
            return speech, language, bool(spec.options.get("word_times"))
        case "tts":
            return speech, said
        case "dialogue":
            prompt, manner = "You are a pirate.", "Answer aloud, in one short sentence."
            role = ("pirate", language, "Anne", prompt, manner)
            return (dialogue.Request(*role, clip=speech, clip_text=said, user=speech),)
        case "duplex":
            side = soxr.resample(speech, audio.RATE, duplex.RATE)
            return (duplex.Call(side, "You are a pirate.", side, said, language),)
        case "judge":
            sound = audio.Sound(speech)
            side = judge.Side((sound,), (said,))
            work = ("Anne", "A tale of pirates", "A pirate who has buried a treasure.")
            return (judge.Pair("try", language, *work, (said,), (sound,), (said,), side, side),)
    return (speech,)


def told(error: Exception, file: Path, model: Watched, contract: ModuleType) -> str:
    """A sentence on what went wrong, with the line of the backend's `file`: its own, or that of
    what the check used last."""
    last = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename) == file.absolute()
    ]
    if last:
        return f"{file}, line {last[-1][1]}: {type(error).__name__}: {error}"
    if isinstance(error, AttributeError) and error.obj is model._model:
        what = f"has no '{error.name}', which the contract asks for"
    else:
        what = _unkept(error, contract)
    place = f"{file}, line {_line(file, model)}"
    name = f" ({model._last})" if model._last else ""
    return f"{place}{name}: {what}. The contract is in {contract.__file__}."


def _line(file: Path, model: Watched) -> int:
    """The line of the file in which the attribute that was used last is defined, or its class."""
    kind = type(model._model).__name__
    whose = 1
    for node in ast.walk(specs.tree(file)):
        if isinstance(node, ast.ClassDef) and node.name == kind:
            whose = node.lineno
        names = [getattr(node, "name", "")] if isinstance(node, ast.FunctionDef) else []
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [getattr(one, "id", getattr(one, "attr", "")) for one in targets]
        if model._last in names and isinstance(node, ast.stmt):
            return node.lineno
    return whose


def _unkept(error: Exception, contract: ModuleType) -> str:
    """What a check asked for and what was there instead."""
    frame, line = _last_of(error.__traceback__, str(contract.__file__))
    for node in ast.walk(ast.parse(inspect.getsource(contract))):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef):
            if node.lineno <= line <= (node.end_lineno or line):
                if isinstance(node, ast.Assert):
                    return _asserted(node.test, frame)
                return f"`{ast.unparse(node).splitlines()[0]}` does not work: {error}"
    return f"{type(error).__name__}: {error}"


def _last_of(trace: TracebackType | None, file: str) -> tuple[FrameType, int]:
    """The last frame of a traceback in a file, and its line; the first of all if there is none."""
    frames = [*traceback.walk_tb(trace)]
    return next((one for one in reversed(frames) if one[0].f_code.co_filename == file), frames[0])


def _asserted(test: ast.expr, frame: FrameType) -> str:
    """Which part of an assertion does not hold, and the values in it."""

    def value(node: ast.expr) -> Any:
        return eval(ast.unparse(node), frame.f_globals, frame.f_locals)

    parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    for part in parts:
        if not value(part):
            sides = [part.left, *part.comparators] if isinstance(part, ast.Compare) else [part]
            shown = [node for node in sides if not isinstance(node, ast.Constant | ast.Tuple)]
            values = [f"`{ast.unparse(node)}` is {_short(value(node))}" for node in shown]
            return f"the check asks for `{ast.unparse(part)}`, and {' and '.join(values)}"
    return f"the check asks for `{ast.unparse(test)}`"


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:99]}…"


def option(text: str) -> tuple[str, Any]:
    """NAME=VALUE of the command line; values are written as in YAML."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"an option is NAME=VALUE, and this is '{text}'.")
    return name, yaml.safe_load(value)


def new(file: Path) -> str:
    """Writes the template of a capability to a new file, and returns what to do next."""
    template = TEMPLATES / f"{capability_of(file)}.py"
    if file.exists():
        raise UserError(f"{file} exists already; give a new file another name.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(template.read_text("utf-8"), encoding="utf-8")
    return f"{file} is written. Put your model into it, and try: python -m scripts.setup.try {file}"


def main(arguments: list[str]) -> str:
    """What a command line asks for; returns what is to be told. Raises UserError for a fault."""
    parser = argparse.ArgumentParser(
        "python -m scripts.setup.try",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="<folder>/<capability>/<name>.py")
    parser.add_argument("option", type=option, nargs="*", help="NAME=VALUE, for its `load`")
    parser.add_argument("--new", action="store_true", help="write this file, from a template")
    parser.add_argument("--language", choices=SAID, default="English", help="of the sentence")
    asked = parser.parse_args(arguments)
    if asked.new:
        return new(asked.file)
    spec, begun = spec_of(asked.file, dict(asked.option)), time.monotonic()
    if found := fault(asked.file, spec, asked.language):
        raise UserError(found)
    return (
        f"{asked.file} keeps the contract of {spec.capability} ({time.monotonic() - begun:.1f} s)."
        f" In a config: backend_paths: [{asked.file.parent.parent}], and under models, "
        f"NAME: {{capability: {spec.capability}, backend: {spec.backend}}}"
    )


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(str(error))
