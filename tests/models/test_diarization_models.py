"""pyannote through its own package: contract, overlap, and faulty folders. Also the voice activity
detector and the rater, which run unchanged in this environment."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends import diarization, quality, vad
from scripts.backends.diarization import SpeakerTurn, pyannote
from scripts.backends.quality import dnsmos
from scripts.backends.vad import silero
from scripts.common.errors import UserError
from scripts.setup.download import write_receipt
from tests.models.tiny import pyannote as tiny

RATE = 16_000
EMBEDDED = os.environ.get("SPEECHROLE_WEIGHTS")  # before the tiny models take its place
LISTED = ("made by a test", "0" * 40)
A, B, C = "SPEAKER_00", "SPEAKER_01", "SPEAKER_02"


@pytest.fixture(scope="module")
def diarizer(load):
    return load("diarization", "pyannote", weights="pyannote-community-1")


@pytest.fixture
def folder(tiny_model, tmp_path):
    """A copy of the tiny model that a test may damage."""
    return shutil.copytree(tiny_model("pyannote-community-1"), tmp_path / "model")


@pytest.fixture(scope="module")
def crowd(tiny_model, tmp_path_factory):
    """A backend whose network finds two speakers at once in any sound."""
    home = tmp_path_factory.mktemp("crowd") / "model"
    shutil.copytree(tiny_model("pyannote-community-1"), home)
    tiny.save(tiny.segmentation(tiny.FIRST_AND_SECOND), home / "segmentation")
    write_receipt(home, *LISTED)
    return pyannote.load(weights=str(home), device="cpu")


def turn(start, end, speaker, overlap=False):
    return SpeakerTurn(start, end, speaker, overlap)


def test_pyannote_meets_its_contract(diarizer, hum):
    diarization.accept(diarizer, hum)


def test_any_sound_of_the_tiny_model_is_one_speakers_to_its_end(diarizer, hum):
    (found,) = diarizer.diarize(np.tile(hum, 4))
    assert found.start < 0.1 and found.end == 12.0
    assert found.speaker == A and not found.overlap
    assert diarizer.diarize(np.tile(hum, 4)) == [found]


def test_the_network_itself_finds_nobody_in_a_silent_window(diarizer, hum):
    silence = torch.zeros(1, 12 * RATE)
    assert not diarizer._run({"waveform": silence, "sample_rate": RATE}).speaker_diarization
    first, second = diarizer.diarize(np.concatenate([hum, np.zeros(30 * RATE, np.float32), hum]))
    assert first.end < 12 and second.start > 24


@pytest.mark.parametrize("samples", [0, 1, 400, 9000])
def test_next_to_nothing_is_no_trouble(diarizer, hum, samples):
    for found in diarizer.diarize(hum[:samples]):
        assert 0 <= found.start < found.end <= samples / RATE


def test_two_speakers_at_once_are_both_kept_and_marked(crowd, hum):
    found = crowd.diarize(hum)
    assert {turn.speaker for turn in found} == {A, B}
    assert all(turn.overlap for turn in found)
    diarization.accept(crowd, hum)


def test_a_known_number_of_speakers_is_passed_on(tiny_model, crowd, hum, monkeypatch):
    monkeypatch.setattr(crowd, "bounds", {"max_speakers": 1})
    assert {turn.speaker for turn in crowd.diarize(hum)} == {A}
    home = str(tiny_model("pyannote-community-1"))
    one = pyannote.load(weights=home, min_speakers=1, max_speakers=3, device="cpu")
    assert one.bounds == {"min_speakers": 1, "max_speakers": 3}
    many = pyannote.load(weights=home, speakers=40, device="cpu")
    with pytest.raises(UserError, match=r"recording of 25\.0 s is too short to tell as many"):
        many.diarize(np.resize(hum, 25 * RATE))


# --- what the package finds, as turns


def test_an_annotation_of_the_package_becomes_turns(diarizer, monkeypatch):
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    annotation[Segment(0.5, 3.0), "x"] = A
    annotation[Segment(2.0, 4.0), "y"] = B
    annotation[Segment(2.5, 3.5), "z"] = C
    annotation[Segment(6.0, 9.0), "w"] = A

    class Found:
        speaker_diarization = annotation

    monkeypatch.setattr(diarizer, "_run", lambda _: Found)
    assert diarizer.diarize(np.ones(8 * RATE, np.float32)) == [
        turn(0.5, 2.0, A),
        turn(2.0, 3.0, A, overlap=True),
        turn(2.0, 3.5, B, overlap=True),
        turn(2.5, 3.5, C, overlap=True),
        turn(3.5, 4.0, B),
        turn(6.0, 8.0, A),
    ]


@given(
    st.lists(
        st.tuples(st.integers(-3, 40), st.integers(-3, 40), st.sampled_from("abc")), max_size=12
    )
)
def test_turns_hold_each_moment_of_each_speaker_once(spans):
    found = pyannote.turns(spans, 30)
    assert found == sorted(found, key=lambda turn: (turn.start, turn.end))
    for moment in range(-3, 40):
        talking = {who for start, end, who in spans if start <= moment < end and 0 <= moment < 30}
        now = [turn for turn in found if turn.start <= moment < turn.end]
        assert sorted(turn.speaker for turn in now) == sorted(talking)
        assert all(turn.overlap == (len(talking) > 1) for turn in now)


@pytest.mark.parametrize(
    "sounds, silent, windows",
    [([0, 0, 0, 1, 1], [2], 2), ([0, 1, 0, 0], [1, 2, 3], 2), ([0, 1, 1], [0, 1, 2], 1)],
)
def test_an_embedder_hears_a_window_once_and_finds_the_same(
    diarizer, resnet, sounds, silent, windows, monkeypatch
):
    generator = torch.Generator().manual_seed(0)
    waveforms = (0.1 * torch.randn(2, 1, 8000, generator=generator))[sounds]
    weights = (torch.rand(len(sounds), 20, generator=generator) > 0.3).float()
    weights[silent] = 0
    heard, given_frames = [], resnet.forward_frames
    monkeypatch.setattr(resnet, "forward_frames", lambda w: heard.append(len(w)) or given_frames(w))
    for model in (resnet, diarizer.pipeline._embedding.model_):
        forward = functools.partial(type(model).forward, model)
        with torch.inference_mode():
            wanted = forward(waveforms, weights=weights)
            found = pyannote.embed(model, forward, waveforms, weights=weights)
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)
        assert torch.equal(found[silent], found[silent[:1]].expand_as(found[silent]))
    assert heard == [windows]


@pytest.fixture(scope="module")
def resnet(diarizer):
    """The published embedder's own class, with random weights."""
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WeSpeakerResNet34().eval()


def test_a_pipeline_with_the_published_embedder_hears_each_window_once(folder, resnet, hum):
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    resnet.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=tiny.WINDOW
    )
    tiny.save(resnet, folder / "embedding")
    shutil.rmtree(folder / "plda")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "NUMBERS", 256)
        tiny.plda(folder / "plda")
    write_receipt(folder, *LISTED)
    backend = pyannote.load(weights=str(folder), device="cpu")
    model = backend.pipeline._embedding.model_
    heard, given_frames = [], model.forward_frames
    model.forward_frames = lambda waveforms: heard.append(len(waveforms)) or given_frames(waveforms)
    (found,) = backend.diarize(np.resize(hum, 12 * RATE))
    assert found.end == 12.0 and heard[-1] == 2  # windows; there are six pairs with a speaker


# --- memory, devices, options


def test_when_memory_runs_out_both_batches_are_halved(tiny_model, hum, monkeypatch):
    home = str(tiny_model("pyannote-community-1"))
    backend = pyannote.load(weights=home, segmentation_batch=4, embedding_batch=6, device="cpu")
    model = backend.pipeline._embedding.model_
    given_forward = model.forward

    def forward(waveforms, weights=None):
        if len(waveforms) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return given_forward(waveforms, weights=weights)

    monkeypatch.setattr(model, "forward", forward)
    assert backend.diarize(hum)
    assert backend.pipeline.segmentation_batch_size == 1
    assert backend.pipeline.embedding_batch_size == 1

    def never(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "forward", never)
    with pytest.raises(UserError, match="memory ran out on one window of a recording of 3 s"):
        backend.diarize(hum)


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(pyannote, "path", lambda _: pytest.fail("the weights were looked for"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="diarization/pyannote is to run on a GPU .*`device: cpu`"):
        pyannote.load()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"speakers": 0}, "at least one speaker"),
        ({"speakers": 2, "max_speakers": 3}, "not both"),
        ({"min_speakers": 4, "max_speakers": 3}, "min_speakers 4 is above max_speakers 3"),
    ],
)
def test_numbers_of_speakers_that_make_no_sense_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        pyannote.load(device="cpu", **options)


def test_nothing_is_reported_and_nothing_is_said_about_ffmpeg(tiny_model):
    """In a process of its own, as what a package says on import is said once."""
    home = tiny_model("pyannote-community-1")
    script = (
        "import sys; from scripts.backends.diarization import pyannote as backend\n"
        "backend.load(weights=sys.argv[1], device='cpu')\n"
        "from pyannote.audio.telemetry.metrics import is_metrics_enabled\n"
        "print('reports:', is_metrics_enabled())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(home)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYANNOTE_METRICS_ENABLED": "1"},
    )
    assert ran.stdout.splitlines()[-1] == "reports: False"
    assert "torchcodec" not in ran.stderr


# --- folders that are not right


def change(folder, **params):
    """Change the parameters of config.yaml or, with `name`, the pipeline it describes."""
    file = folder / "config.yaml"
    config = yaml.safe_load(file.read_text("utf-8"))
    config["pipeline"]["name"] = params.pop("name", config["pipeline"]["name"])
    config["pipeline"]["params"].update(params)
    file.write_text(yaml.safe_dump(config), "utf-8")


@pytest.mark.parametrize("part", ["segmentation", "embedding"])
def test_a_pickle_that_is_not_what_was_downloaded_is_not_opened(folder, part, monkeypatch):
    file = folder / part / "pytorch_model.bin"
    file.write_bytes(file.read_bytes() + b"x")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(UserError, match=f"{part}/pytorch_model.bin can run code when it is opened"):
        pyannote.load(weights=str(folder), device="cpu")


def test_a_broken_network_and_one_of_another_shape_are_refused(folder):
    file = folder / "segmentation" / "pytorch_model.bin"
    checkpoint = torch.load(file, weights_only=False)
    checkpoint["state_dict"]["classifier.weight"] = torch.zeros(3, 3)
    torch.save(checkpoint, file)
    write_receipt(folder, *LISTED)
    with pytest.raises(UserError, match="cannot be loaded; it is corrupt or of another model"):
        pyannote.load(weights=str(folder), device="cpu")
    file.write_bytes(file.read_bytes()[:1000])
    write_receipt(folder, *LISTED)
    with pytest.raises(UserError, match="cannot be loaded; it is corrupt or of another model"):
        pyannote.load(weights=str(folder), device="cpu")


def test_a_config_that_would_fetch_from_a_hub_is_refused(folder):
    change(folder, embedding="pyannote/wespeaker-voxceleb-resnet34-LM")
    with pytest.raises(
        UserError, match="takes its embedding from 'pyannote/wespeaker-.*nothing is"
    ):
        pyannote.load(weights=str(folder), device="cpu")


def test_a_config_of_another_pipeline_is_refused(folder):
    change(folder, name="subprocess.Popen")
    with pytest.raises(UserError, match=r"describes subprocess\.Popen, not pyannote\.audio"):
        pyannote.load(weights=str(folder), device="cpu")


@pytest.mark.parametrize("file", ["config.yaml", "embedding/pytorch_model.bin"])
def test_a_file_that_is_missing_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(UserError, match=f"{file} is missing; get the model again"):
        pyannote.load(weights=str(folder), device="cpu")


# --- what runs here unchanged


@pytest.fixture(scope="module")
def speech():
    """Eight seconds of the recording included in the package."""
    from pyannote import audio

    samples, rate = soundfile.read(
        Path(audio.__file__).parent / "sample" / "sample.wav", dtype="float32"
    )
    assert rate == RATE
    return samples[6 * RATE : 14 * RATE]


def test_silero_runs_in_this_environment(speech):
    assert "torch" in silero.ENV
    vad.accept(silero.load(), speech)


def test_dnsmos_runs_in_this_environment(speech, monkeypatch):
    assert "torch" in dnsmos.ENV
    monkeypatch.delenv("SPEECHROLE_WEIGHTS", raising=False)
    if EMBEDDED:
        monkeypatch.setenv("SPEECHROLE_WEIGHTS", EMBEDDED)
    quality.accept(dnsmos.load(threads=1), speech)
