"""Models' results are cached by request, and come back unchanged."""

from __future__ import annotations

import importlib
import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from scripts.backends.asr import Transcription
from scripts.backends.dialogue import Answer
from scripts.common.errors import UserError
from scripts.common.job import Job, entered, uncached
from scripts.workflow import cache_files, model_cache, specs
from scripts.workflow.cache_files import CacheFiles
from scripts.workflow.model_cache import CachedModel
from scripts.workflow.model_spec import ModelSpec

ASR = importlib.import_module("scripts.backends.asr")
DUPLEX = importlib.import_module("scripts.backends.duplex")
JUDGE = importlib.import_module("scripts.backends.judge")
SPEC = ModelSpec("asr", "faster_whisper")


class Ear:
    """Counts its inputs."""

    name = "an ear"
    heard = 0

    def transcribe(self, clips, language=None):
        self.heard += len(clips)
        return [Transcription(f"{clip.sum():.1f} {language}", "English") for clip in clips]


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(model_cache, "model_key", lambda spec: json.dumps(spec, sort_keys=True))


def contract_of(spec):
    return importlib.import_module(f"scripts.backends.{spec.capability}")


def stand_in(home, model, spec=SPEC):
    """A model and its stand-in; loading the model twice is an error."""
    loads = iter([model])
    return CachedModel(spec, lambda: next(loads), contract_of(spec), CacheFiles(home))


def never():
    raise AssertionError("it is loaded")


CLIPS = [np.full(5, value, np.float32) for value in (1, 2, 3)]


def test_only_what_is_new_is_asked(tmp_path):
    ear = Ear()
    first = stand_in(tmp_path, ear).transcribe(CLIPS[:2], "English")
    assert ear.heard == 2
    more = Ear()
    again = stand_in(tmp_path, more).transcribe(CLIPS, "English")
    assert again[:2] == first and more.heard == 1
    other = Ear()
    stand_in(tmp_path, other).transcribe(CLIPS, "Chinese")  # another question
    assert other.heard == 3


class Drawer:
    """Gives each chat with its seed, and counts its inputs."""

    asked = 0

    def generate(self, chats, max_tokens, seed=0, temperature=0.0):
        self.asked += len(chats)
        assert len(seed) == len(chats)
        return [f"{chat} {own}" for chat, own in zip(chats, seed, strict=True)]


def test_a_list_among_the_arguments_has_one_value_for_each_item(tmp_path):
    spec, chats = ModelSpec("llm", "openvino"), [[number] for number in range(3)]
    first = stand_in(tmp_path, Drawer(), spec).generate(chats, max_tokens=8, seed=[5, 6, 7])
    assert first == ["[0] 5", "[1] 6", "[2] 7"]
    drawer = Drawer()
    again = stand_in(tmp_path, drawer, spec)
    assert again.generate(chats[::-1], max_tokens=8, seed=[7, 6, 5]) == first[::-1]
    assert drawer.asked == 0
    assert again.generate([[0], [0], [0]], max_tokens=8, seed=[5, 8, 9])[1:] == ["[0] 8", "[0] 9"]
    assert drawer.asked == 2  # the same chat with another seed is another one


def test_what_is_all_there_loads_no_model(tmp_path):
    model = stand_in(tmp_path, Ear())
    said = model.transcribe(CLIPS), model.name, hasattr(model, "score")
    again = CachedModel(SPEC, never, ASR, CacheFiles(tmp_path))
    assert (again.transcribe(CLIPS), again.name) == said[:2]


def test_equal_items_are_asked_once_and_each_gets_the_answer(tmp_path):
    ear = Ear()
    found = stand_in(tmp_path, ear).transcribe([CLIPS[0], CLIPS[0]])
    assert ear.heard == 1 and found[0] == found[1]


def test_another_model_has_answers_of_its_own(tmp_path):
    stand_in(tmp_path, Ear()).transcribe(CLIPS)
    other = Ear()
    stand_in(tmp_path, other, SPEC._replace(options={"weights": "another"})).transcribe(CLIPS)
    assert other.heard == 3


class Dying(Ear):
    def transcribe(self, clips, language=None):
        if self.heard >= 2:
            raise KeyboardInterrupt
        return super().transcribe(clips, language)


def test_a_killed_job_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setitem(ASR.KEPT, "transcribe", 1)
    with pytest.raises(KeyboardInterrupt):
        stand_in(tmp_path, Dying()).transcribe(CLIPS)
    ear = Ear()
    stand_in(tmp_path, ear).transcribe(CLIPS)
    assert ear.heard == 1


@pytest.mark.parametrize("harm", ["torn", "changed", "no array"])
def test_a_damaged_row_is_made_again(tmp_path, harm):
    shelf = CacheFiles(tmp_path)
    shelf.put([("a", 1, b"one"), ("b", 2, b"two")])
    (rows,), (arrays,) = tmp_path.glob("*.jsonl"), tmp_path.glob("*.bin")
    if harm == "torn":
        rows.write_bytes(rows.read_bytes()[:-9])
    elif harm == "changed":
        arrays.write_bytes(b"oneTwo")
    else:
        arrays.write_bytes(b"one")
    again = CacheFiles(tmp_path)
    assert again.get("a") == (1, b"one") and again.get("b") is None
    for name in ("0", "z"):  # whichever file is read first
        again.name, again.written = name, 0
        again.put([("b", 2, b"two")])
        assert CacheFiles(tmp_path).get("b") == (2, b"two")
        for file in tmp_path.glob(f"{name}.*"):
            file.unlink()


def summed(*body):
    """A line with a correct checksum."""
    return json.dumps([*body, cache_files._sum(list(body))]).encode()


HARMED = {
    **{
        "null": b"null",
        "number": b"5",
        "true": b"true",
        "text": b'"abcdef"',
        "object": b'{"a": 1}',
    },
    **{
        "short": b"[1, 2]",
        "long": b"[1, 2, 3, 4, 5, 6, 7]",
        "NaN": b"[NaN, NaN, NaN, NaN, NaN, 1]",
    },
    **{"deep": b"[" * 100_000, "huge": b"[" + b"9" * 5000 + b"]", "zeros": b"\0" * 4096},
    **{"encoding": b"\xff\xfe", "surrogate": b'["\\ud800", "v", 0, 0, "", "x"]'},
    **{"list as key": summed(["a"], "v", 0, 0, ""), "before": summed("b", "v", -1, 3, "ab")},
    **{"text as start": summed("b", "v", "0", 3, "ab"), "number as sum": summed("b", "v", 0, 3, 7)},
}


def test_a_file_in_the_place_of_the_folder_is_told_before_a_model_works(tmp_path):
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(UserError, match="kept, where results are kept, is no folder"):
        CacheFiles(tmp_path / "kept")


@pytest.mark.parametrize("line", HARMED.values(), ids=HARMED)
def test_whatever_stands_in_a_damaged_file_the_rest_is_found(tmp_path, line):
    CacheFiles(tmp_path).put([("a", 1, None)])
    (rows,) = tmp_path.glob("*.jsonl")
    for text in (line + b"\n" + rows.read_bytes(), rows.read_bytes() + line):
        rows.write_bytes(text)
        shelf = CacheFiles(tmp_path)
        assert shelf.get("a") == (1, None) and shelf.get("b") is None


@given(some.binary(max_size=60) | some.sampled_from([b"[]", b"[[],[],[],[],[],[]]", b"{}"]))
def test_no_line_is_a_crash(line):
    assert cache_files._parsed(line) is None


@pytest.mark.parametrize("what", ["folder", "dangling", "unreadable"])
def test_what_is_no_file_of_rows_is_passed_over(tmp_path, monkeypatch, what):
    CacheFiles(tmp_path).put([("a", 1, b"one")])
    other = tmp_path / "0.jsonl"
    if what == "folder":
        other.mkdir()
    elif what == "dangling":
        other.symlink_to(tmp_path / "nowhere")
    else:
        other.write_bytes(b"[]")
        read = model_cache.Path.read_bytes
        refused = PermissionError(13, "Permission denied", str(other))
        monkeypatch.setattr(
            model_cache.Path,
            "read_bytes",
            lambda file: read(file) if file != other else throw(refused),
        )
    assert CacheFiles(tmp_path).get("a") == (1, b"one")


def throw(error):
    raise error


def test_a_pipe_is_not_waited_for(tmp_path):
    CacheFiles(tmp_path).put([("a", 1, b"one")])
    os.mkfifo(tmp_path / "0.jsonl")
    read = threading.Event()

    def write():
        with (tmp_path / "0.jsonl").open("wb"):  # waits for a reader
            read.set()

    threading.Thread(target=write, daemon=True).start()
    assert CacheFiles(tmp_path).get("a") == (1, b"one") and not read.is_set()
    os.close(os.open(tmp_path / "0.jsonl", os.O_RDONLY | os.O_NONBLOCK))  # so that the thread ends


def test_two_processes_write_side_by_side(tmp_path):
    one, two = CacheFiles(tmp_path), CacheFiles(tmp_path)
    for number in range(20):
        for shelf in (one, two):
            shelf.put([(f"{shelf.name}{number}", number, bytes([number]))])
    both = CacheFiles(tmp_path)
    assert all(both.get(f"{s.name}{n}") == (n, bytes([n])) for s in (one, two) for n in range(20))


class Voice:
    """Speaks only with voices that it made itself."""

    rate, voice_mode = 24_000, "cloned"

    def __init__(self):
        self.made, self.spoken = {}, 0

    def voice(self, clip, text, language):
        self.made[text] = clip
        return {"text": text}

    def fixed_voice(self, language):
        return self.voice(None, f"all {language}", language)

    def speak(self, lines):
        self.spoken += len(lines)
        for _, voice, _ in lines:
            assert voice["text"] in self.made
        return [np.full(len(text), 0.25, np.float32) for text, _, _ in lines]


def test_a_voice_from_an_earlier_process_is_made_again_where_it_speaks(tmp_path):
    spec = ModelSpec("tts", "kokoro")
    first = stand_in(tmp_path, Voice(), spec)
    lines = [("Good day.", first.voice(CLIPS[0], "a", "English"), "English")]
    first.voice(CLIPS[1], "b", "English")
    lines.append(("Hello.", first.fixed_voice("English"), "English"))
    said = first.speak(lines)
    again = Voice()
    second = stand_in(tmp_path, again, spec)
    second.voice(CLIPS[0], "a", "English")
    second.voice(CLIPS[1], "b", "English")
    second.fixed_voice("English")
    for before, after in zip(said, second.speak(lines), strict=True):
        assert np.array_equal(before, after)
    assert again.spoken == 0 and not again.made
    second.speak([*lines, ("Farewell.", {"text": "b"}, "English")])
    assert again.spoken == 1 and list(again.made) == ["b"]


class Refusing:
    languages, rate, voice_mode, calls = ("English",), 16_000, "own", 0

    def reply(self, requests):
        self.calls += 1
        return [Answer(None, None, None, 1.0, reason="out of memory") for _ in requests]


def test_a_failure_is_not_kept(tmp_path):
    spec = ModelSpec("dialogue", "cascade")
    system = Refusing()
    for _ in range(2):
        (answer,) = stand_in(tmp_path, system, spec).reply(["a request"])
        assert answer.reason == "out of memory"
    assert system.calls == 2


class Rows:
    def embed(self, clips):
        return np.stack([clip[:2] for clip in clips])


def test_rows_of_an_array_come_back_as_one(tmp_path):
    spec = ModelSpec("speaker", "campplus")
    found = stand_in(tmp_path, Rows(), spec).embed(CLIPS)
    again = CachedModel(spec, never, contract_of(spec), CacheFiles(tmp_path)).embed(
        [CLIPS[2], CLIPS[0]]
    )
    assert found.dtype == again.dtype == np.float32
    assert np.array_equal(again, found[[2, 0]])


def test_a_model_is_known_by_its_weights_and_the_files_it_names(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path / "weights"))
    clip = tmp_path / "clip.wav"
    spec = ModelSpec("llm", "transformers", {"weights": "qwen3-8b"})
    tts = ModelSpec("tts", "f5_tts", {"user_clip_english": str(clip)})
    seen = [
        model_cache.model_key(spec),
        model_cache.model_key(spec._replace(options={"weights": "yi-1.5-9b"})),
    ]
    home = tmp_path / "weights/qwen3-8b"
    home.mkdir(parents=True)
    for receipt in ("{}", '{"commit": "another"}'):
        (home / "receipt.json").write_text(receipt)
        seen.append(model_cache.model_key(spec))
    for sound in (b"one", b"two"):
        clip.write_bytes(sound)
        seen.append(model_cache.model_key(tts))
    assert len(set(seen)) == len(seen) and model_cache.model_key(tts) == seen[-1]


def test_outside_of_a_job_nothing_is_kept(tmp_path):
    model = object()
    assert model_cache.stand_in(SPEC, lambda: model, ASR) is model
    with entered(Job(cache=CacheFiles(tmp_path))):
        assert isinstance(model_cache.stand_in(SPEC, lambda: model, ASR), CachedModel)
        service = ModelSpec("asr", "dashscope")
        assert (
            model_cache.stand_in(service, lambda: model, ASR) is model
        )  # its answers are in the store
        judge = ModelSpec("judge", "objective")
        assert (
            model_cache.stand_in(judge, lambda: model, JUDGE) is model
        )  # the models inside it keep
        with uncached():
            assert model_cache.stand_in(SPEC, lambda: model, ASR) is model


def test_every_kept_method_is_of_the_contract():
    contracts = [
        importlib.import_module(f"scripts.backends.{name}") for name in specs.capabilities()
    ]
    keeping = [contract for contract in contracts if hasattr(contract, "KEPT")]
    assert len(keeping) > 7
    for contract in keeping:
        protocols = [kind for kind in vars(contract).values() if isinstance(kind, type)]
        assert all(any(name in vars(kind) for kind in protocols) for name in contract.KEPT)


class Caller:
    """Says one word in each call; a call without sound fails."""

    rate, voice_mode, takes_role = 8000, "own", True

    def converse(self, calls):
        return [
            DUPLEX.Side(call.user / 2, [DUPLEX.Word("Yes.", 0.0, 0.1)], 0.5)
            if len(call.user)
            else DUPLEX.Side(None, None, 0.0, "it is empty")
            for call in calls
        ]


def test_a_side_of_a_conversation_is_kept_with_its_words(tmp_path):
    spec = ModelSpec("duplex", "echo")
    users = [np.full(5, 0.5, np.float32), np.zeros(0, np.float32)]
    calls = [DUPLEX.Call(user, "You are Ann.", CLIPS[0], "Hello.") for user in users]
    first = stand_in(tmp_path, Caller(), spec)
    said, failed = first.converse(calls)
    assert (first.rate, first.voice_mode, first.takes_role) == (8000, "own", True)
    again = CachedModel(spec, never, DUPLEX, CacheFiles(tmp_path))
    (kept,) = again.converse(calls[:1])
    assert np.array_equal(kept.audio, said.audio) and again.rate == 8000
    assert kept.words == said.words == [DUPLEX.Word("Yes.", 0.0, 0.1)]
    assert failed.reason == "it is empty"
    with pytest.raises(AssertionError, match="it is loaded"):  # it may succeed next time
        again.converse(calls[1:])
