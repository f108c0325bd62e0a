"""Whisper with transformers and CTranslate2, Paraformer and SenseVoice, on tiny checkpoints.

The tiny Whisper and SenseVoice write one known sentence per language; see tests/models/tiny.
"""

import json
import shutil

import numpy as np
import pytest
import torch

from scripts import backends
from scripts.backends import asr
from scripts.backends.asr import Transcription, funasr, whisper
from scripts.common.errors import UserError
from scripts.setup.download import write_receipt
from scripts.workflow.model_spec import ModelSpec
from tests.models.tiny.whisper import CHINESE, ENGLISH

TURBO = "whisper-large-v3-turbo"
MODELS = {
    "whisper": TURBO,
    "faster_whisper": "faster-whisper-large-v3",
    "funasr": "sensevoice-small",
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def hiss() -> np.ndarray:
    return (np.random.default_rng(1).standard_normal(64_000) * 0.1).astype(np.float32)


@pytest.fixture
def copied(tiny_model, tmp_path):
    """Function: name of a model -> a copy of it that a test may damage."""

    def copy(name: str):
        return shutil.copytree(tiny_model(name), tmp_path / name)

    return copy


def start(backend: str, folder, **options):
    options = {"weights": f"{folder}", "device": "cpu"} | options
    return backends.load(ModelSpec("asr", backend, options))


def texts(model, clips, language=None):
    return [item.text for item in model.transcribe(clips, language)]


# --- the contract


@pytest.mark.parametrize("language", ["English", "Chinese"])
@pytest.mark.parametrize("name", [TURBO, "whisper-large-v3", "whisper-medium"])
def test_whisper_meets_its_contract(load, hum, name, language):
    asr.accept(load("asr", "whisper", weights=name), hum, language)


@pytest.mark.parametrize("language", ["English", "Chinese"])
@pytest.mark.parametrize(("backend", "name"), [("whisper", TURBO), ("funasr", "sensevoice-small")])
def test_times_of_words_are_as_the_contract_says(load, hum, backend, name, language):
    asr.accept(load("asr", backend, weights=name, word_times=True), hum, language, word_times=True)


@pytest.mark.parametrize("language", ["English", "Chinese"])
@pytest.mark.parametrize("backend", ["faster_whisper", "funasr"])
def test_the_others_meet_their_contract(load, hum, backend, language):
    asr.accept(load("asr", backend, weights=MODELS[backend]), hum, language)


@pytest.mark.parametrize("word_times", [False, True])
def test_paraformer_meets_its_contract_in_chinese(load, hum, word_times):
    model = load("asr", "funasr", weights="paraformer-zh", word_times=word_times)
    asr.accept(model, hum, "Chinese", word_times)


@pytest.mark.parametrize("backend", MODELS)
def test_a_language_is_detected_clip_by_clip(load, hum, hiss, backend):
    heard = load("asr", backend, weights=MODELS[backend]).transcribe([hiss, hum])
    assert [(item.language, item.text) for item in heard] == [
        ("Chinese", CHINESE),
        ("English", ENGLISH),
    ]


@pytest.mark.parametrize(("backend", "name"), [*MODELS.items(), ("funasr", "paraformer-zh")])
def test_a_text_does_not_hang_on_what_else_is_heard(load, hum, hiss, backend, name):
    model = load("asr", backend, weights=name)
    clips = [hum[:20_000], hiss, np.zeros(9_000, np.float32), hum, hiss[:33_000]]
    together = texts(model, clips, "Chinese")
    assert together == [texts(model, [clip], "Chinese")[0] for clip in clips]
    assert together[::-1] == texts(model, clips[::-1], "Chinese")
    assert together[2] == "" and together[0] and together[1]


@pytest.mark.parametrize("backend", MODELS)
def test_a_long_clip_is_heard_to_its_end(load, hum, backend):
    long, tail = np.tile(hum, 24), np.tile(hum, 23)  # 72 s, 69 s
    heard = texts(load("asr", backend, weights=MODELS[backend]), [hum, long, tail], "Chinese")
    assert heard[0] == CHINESE
    words = CHINESE.removesuffix("。")  # the last sign of a part is the tiny model's guess
    assert min(text.count(words) for text in heard[1:]) >= 3


@pytest.mark.parametrize("backend", MODELS)
def test_nothing_is_said_about_a_minute_of_digital_silence(load, backend):
    model = load("asr", backend, weights=MODELS[backend])
    clips = [np.zeros(60 * 16_000, np.float32), np.full(800, 0.1, np.float32)]
    assert texts(model, clips, "English") == ["", ""]


@pytest.mark.parametrize("backend", MODELS)
def test_an_unknown_language_is_refused_by_name(load, hum, backend):
    model = load("asr", backend, weights=MODELS[backend])
    with pytest.raises(UserError, match="does not speak French; it speaks English and Chinese"):
        model.transcribe([hum], "French")


# --- Whisper


def test_times_go_on_after_the_first_window(load, hum):
    model = load("asr", "whisper", weights=TURBO, word_times=True)
    (heard,) = model.transcribe([np.tile(hum, 24)], "English")
    firsts = [word.start for word in heard.words if word.word == "I"]
    assert len(firsts) == 3
    assert 0 <= firsts[0] < 30 <= firsts[1] < 60 <= firsts[2] < 72
    assert max(word.end for word in heard.words) <= 72


def test_words_are_split_at_spaces_and_characters_and_marks_stay(load):
    model = load("asr", "whisper", weights=TURBO, word_times=True)
    tokens = model.tokenizer(" Well, Bob: 你好。", add_special_tokens=False)["input_ids"]
    times = torch.arange(1, len(tokens) + 1) / 10
    segment = {"start": 0.0, "tokens": torch.tensor(tokens), "token_timestamps": times}
    words = model.words(segment, 9.0)
    assert [word.word for word in words] == ["Well,", "Bob:", "你", "好。"]
    assert words[0].start == 0 and words[1].start == words[0].end == 0.6


def test_whisper_writes_simplified_characters(load):
    model = load("asr", "whisper", weights=TURBO)
    tokens = model.tokenizer("這件事情說來話長", add_special_tokens=False)["input_ids"]
    segments = [{"tokens": torch.tensor(tokens)}]
    assert model.result(segments, "Chinese", 1.0).text == "这件事情说来话长"
    assert model.result(segments, "English", 1.0).text == "這件事情說來話長"


def test_a_clip_in_which_nobody_speaks_has_no_text(load, hum, monkeypatch):
    model = load("asr", "whisper", weights=TURBO)
    monkeypatch.setattr(whisper, "NO_SPEECH", -1.0)
    assert texts(model, [hum], "English") == [ENGLISH]  # the text is likely: it is kept
    monkeypatch.setattr(whisper, "UNLIKELY", 1.0)
    assert texts(model, [hum, np.tile(hum, 11)], "English") == ["", ""]


def test_what_repeats_itself_is_heard_again_with_beams(load, hum, monkeypatch):
    assert whisper.repeats("and so on " * 20)
    assert not whisper.repeats(ENGLISH)
    model = load("asr", "whisper", weights=TURBO)
    generate, beams = model.net.generate, []

    def spy(**inputs):
        beams.append(inputs.get("num_beams"))
        return generate(**inputs)

    monkeypatch.setattr(model.net, "generate", spy)
    monkeypatch.setattr(whisper, "REPEATING", 0.0)
    assert texts(model, [hum, hum], "English") == [ENGLISH] * 2
    assert beams == [None, 5, 5]


def test_memory_that_runs_out_halves_the_batch_and_then_is_an_error(load, hum, monkeypatch):
    model = load("asr", "whisper", weights=TURBO)
    short, sizes = model.short, []

    def cramped(clips, language, most):
        sizes.append(len(clips))
        if len(clips) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return short(clips, language)

    monkeypatch.setattr(model, "short", lambda clips, language: cramped(clips, language, 2))
    assert texts(model, [hum] * 5, "English") == [ENGLISH] * 5
    assert sizes == [5, 2, 2, 1]
    monkeypatch.setattr(model, "short", lambda clips, language: cramped(clips, language, 0))
    with pytest.raises(UserError, match="memory ran out on a single item of length 48000"):
        model.transcribe([hum] * 2, "English")


def test_an_english_whisper_speaks_english_only(copied, hum):
    folder = copied(TURBO)
    settings = json.loads((folder / "generation_config.json").read_text())
    del settings["lang_to_id"], settings["task_to_id"]
    (folder / "generation_config.json").write_text(
        json.dumps(settings | {"is_multilingual": False})
    )
    model = start("whisper", folder)
    assert model.transcribe([hum])[0].language == "English"
    with pytest.raises(UserError, match="does not speak Chinese; it speaks English"):
        model.transcribe([hum], "Chinese")


def test_times_of_words_want_heads_to_read_them_from(copied):
    folder = copied(TURBO)
    settings = json.loads((folder / "generation_config.json").read_text())
    del settings["alignment_heads"]
    (folder / "generation_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match="no alignment_heads"):
        start("whisper", folder, word_times=True)


# --- FunASR


def test_a_chinese_paraformer_does_not_speak_english(load, tiny_model, hum):
    model = load("asr", "funasr", weights="paraformer-zh")
    with pytest.raises(UserError, match="paraformer-zh does not speak English; it speaks Chinese"):
        model.transcribe([hum], "English")
    folder = tiny_model("paraformer-zh")
    both = start("funasr", folder, languages=["English", "Chinese"])
    assert both.transcribe([hum], "English")[0].language == "English"
    assert both.transcribe([hum])[0].language == "Chinese"  # by its letters
    with pytest.raises(UserError, match="does not speak Klingon"):
        start("funasr", folder, languages=["Klingon"])


def test_paraformer_writes_characters_without_spaces_between_them(load, hum):
    (text,) = texts(load("asr", "funasr", weights="paraformer-zh"), [hum])
    assert funasr.tidy("我 们 说 hello  world 好 。 是") == "我们说 hello world 好。是"
    assert len(text) > 3 and text == funasr.tidy(text)


def test_sensevoices_tags_are_read_and_left_out(load, hum, monkeypatch):
    model = load("asr", "funasr", weights="sensevoice-small")
    generate, asked = model.net.generate, []

    def spoken(tag):
        def answer(clips, language, **options):
            asked.append(language)
            first = language if language != "auto" else tag
            found = generate(clips, language=language, **options)
            text = f"<|{first}|><|SAD|><|Laughter|><|withitn|>話<|Cry|>"
            return [one | {"text": text} for one in found]

        monkeypatch.setattr(model.net, "generate", answer)
        return model.transcribe([hum])[0]

    assert spoken("zh") == Transcription("话", "Chinese")
    assert spoken("en") == Transcription("話", "English")
    assert asked == ["auto", "auto"]
    assert spoken("yue") == Transcription("话", "Chinese")
    assert asked[2:] == ["auto", "zh"]
    assert spoken("nospeech").text == ""


def test_a_batch_without_a_word_is_empty_texts(load, hum, monkeypatch):
    model = load("asr", "funasr", weights="paraformer-zh", word_times=True)
    bias = model.net.model.predictor.cif_output.bias
    before = bias.detach().clone()
    with torch.no_grad():
        bias.fill_(-50)
    heard = model.transcribe([hum, hum])
    with torch.no_grad():
        bias.copy_(before)
    assert heard == [Transcription("", "Chinese", [])] * 2


def test_long_clips_are_cut_where_they_are_quietest(hiss):
    clip = np.tile(hiss, 20)
    clip[25 * 16_000 : 26 * 16_000] = 0
    parts = funasr.cut(clip)
    assert np.array_equal(np.concatenate([part for _, part in parts]), clip)
    assert all(np.array_equal(clip[at : at + len(part)], part) for at, part in parts)
    assert max(len(part) for _, part in parts) <= 30 * 16_000
    assert 25 * 16_000 <= parts[1][0] <= 26 * 16_000
    assert [len(part) for _, part in funasr.cut(clip[: 30 * 16_000])] == [30 * 16_000]


def test_pieces_become_words():
    pieces = ["\u2581the", "\u2581riv", "er", ",", "\u2581", "我", "们", "。", "ok", "ay"]
    words = funasr.timed([(piece, i, i + 1) for i, piece in enumerate(pieces)], 9.5)
    assert [word.word for word in words] == ["the", "river,", "我", "们。", "okay"]
    assert (words[1].start, words[1].end) == (1, 4)
    assert words[-1].end == 9.5


# --- checkpoints that are not what they should be


@pytest.mark.parametrize("backend", MODELS)
def test_a_gpu_that_is_not_there_is_refused_before_loading(weights, backend):
    with pytest.raises(UserError, match="has none; .* `device: cpu`"):
        start(backend, weights / "nothing-is-here", device="cuda")


def test_a_checkpoint_of_another_shape_is_refused(copied):
    folder = copied("whisper-medium")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_mel_bins": 128}))
    with pytest.raises(UserError, match="cannot be loaded.*conv1"):
        start("whisper", folder)


@pytest.mark.parametrize(
    ("backend", "file"), [("whisper", "model.safetensors"), ("faster_whisper", "model.bin")]
)
def test_a_corrupt_checkpoint_is_refused(copied, backend, file):
    folder = copied(MODELS[backend])
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="cannot be loaded; it is corrupt or of another model"):
        start(backend, folder)


def test_whisper_reads_no_pickle(copied):
    folder = copied(TURBO)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded.*safetensors"):
        start("whisper", folder)


def test_whisper_that_lacks_weights_is_refused(copied):
    from safetensors.torch import load_file, save_file

    folder = copied(TURBO)
    state = load_file(folder / "model.safetensors")
    del state["model.decoder.layer_norm.weight"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="it lacks .*layer_norm"):
        start("whisper", folder)


def test_faster_whisper_asks_no_hub_for_a_tokenizer(copied):
    folder = copied("faster-whisper-large-v3")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="no tokenizer.json"):
        start("faster_whisper", folder)


def test_a_pickle_that_was_changed_is_not_opened(copied):
    folder = copied("sensevoice-small")
    with (folder / "model.pt").open("ab") as file:
        file.write(b"more")
    with pytest.raises(UserError, match="can run code when it is opened.* not opened"):
        start("funasr", folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("encoder.after_norm.bias"), "it lacks .*after_norm"),
        (lambda state: state.update({"embed.weight": torch.zeros(3, 3)}), "size mismatch"),
    ],
)
def test_a_pickle_of_another_model_is_refused(copied, change, says):
    folder = copied("sensevoice-small")
    state = torch.load(folder / "model.pt", weights_only=True)
    change(state)
    torch.save(state, folder / "model.pt")
    write_receipt(folder, "a test", "0" * 40)
    with pytest.raises(UserError, match=f"cannot be loaded.*{says}"):
        start("funasr", folder)


def test_a_folder_of_another_kind_is_refused(copied):
    folder = copied("paraformer-zh")
    settings = json.loads((folder / "config.yaml").read_text())
    for kind, says in (("CAMPPlus", "calls it a CAMPPlus"), ("Paraformer", "has no word_times")):
        (folder / "config.yaml").write_text(json.dumps(settings | {"model": kind}))
        with pytest.raises(UserError, match=says):
            start("funasr", folder, word_times=True)
