"""Demucs through its own package: contract, the sums of its segments, and faulty repositories."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from scripts.backends import separation
from scripts.backends.features import resample
from scripts.backends.separation import demucs
from scripts.common.errors import UserError
from scripts.setup.download import write_receipt
from tests.models.tiny import demucs as tiny

RATE = 16_000
LISTED = ("made by a test", "0" * 40)


@pytest.fixture(scope="module")
def separator(load):
    return load("separation", "demucs", weights="htdemucs")


@pytest.fixture(scope="module")
def mix():
    """Seven seconds of a swelling tone and noise: several segments, the last one partial."""
    time = np.arange(7 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 220 * time) * np.sin(0.9 * time) ** 2
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(time))
    return (tone + noise).astype(np.float32)


@pytest.fixture
def repository(tiny_model, tmp_path):
    """A copy of the tiny repository that a test may damage."""
    return shutil.copytree(tiny_model("htdemucs"), tmp_path / "htdemucs")


def random_separator(nets=None, segment=float(tiny.SEGMENT), overlap=0.25, shifts=1, batch=2):
    """A backend with randomly weighted networks, which respond to the edges of their input."""
    nets = nets or [(tiny.network(), 1.0)]
    return demucs.Demucs(nets, segment, overlap, shifts, "cpu", batch)


def packages_own(nets, audio, weights=None):
    """The vocals of (n,) at 44.1 kHz from the package's own processing of a recording."""
    from demucs.apply import BagOfModels, apply_model

    stereo = torch.from_numpy(audio).expand(1, 2, -1)
    mean, deviation = stereo.mean(), stereo[0].mean(0).std() + 1e-8
    found = apply_model(BagOfModels(nets, weights), (stereo - mean) / deviation, shifts=0)
    found = found[0, tiny.SOURCES.index("vocals")].mean(dim=0)
    return (found * deviation + mean).numpy()


def test_demucs_meets_its_contract(separator):
    separation.accept(separator)


def test_a_network_that_hands_the_mix_through_gives_the_mix_back(separator, mix):
    """Nothing is lost, doubled or moved where segments meet and where the rate changes."""
    vocals = separator.separate(mix, RATE)
    # What noise there is above 7.8 kHz goes when the rate changes.
    assert np.sqrt(np.mean((vocals - mix) ** 2)) < 0.004
    tone = resample(mix, RATE, 44_100)
    assert np.abs(separator.separate(tone, 44_100) - tone).max() < 1e-4


@pytest.mark.parametrize("samples", [250_003, 85_995, 40_000, 30, 1])
def test_the_result_is_the_packages_own(samples, mix):
    audio = resample(mix, RATE, 44_100)[:samples]
    net = tiny.network()
    found = random_separator([(net, 1.0)]).separate(audio, 44_100)
    if samples == 1:  # of one sample the package takes no deviation
        assert np.isfinite(found).all()
    else:
        assert np.abs(found - packages_own([net], audio)).max() < 1e-6


def test_segments_are_resampled_as_the_whole_would_be(mix):
    audio = mix[: 399 * 160]
    separator = random_separator(overlap=0.2)  # cuts fall on the same places at both rates
    whole = separator.separate(resample(audio, RATE, 44_100), 44_100)
    found = separator.separate(audio, RATE)
    difference = np.abs(found - resample(whole, 44_100, RATE))
    assert difference[400:-400].max() < 1e-5 * np.abs(found).max() + 2e-6


def test_the_batch_changes_nothing(mix):
    one, four = (random_separator(batch=n).separate(mix, RATE) for n in (1, 4))
    assert np.abs(one - four).max() < 1e-6


def test_passes_are_averaged_and_repeatable(mix):
    audio = mix[: 2 * RATE]
    once = random_separator().separate(audio, RATE)
    first, second = (random_separator(shifts=2).separate(audio, RATE) for _ in range(2))
    assert np.array_equal(first, second) and np.abs(first - once).max() > 1e-5


@pytest.mark.parametrize("options", [{"shifts": 3}, {"segment": 1.0}, {"overlap": 0.6}])
def test_every_way_to_cut_gives_the_mix_back(separator, mix, options):
    options = {"segment": separator.segment, "overlap": 0.25} | options
    found = random_separator(separator.nets, **options).separate(mix[: 3 * RATE], RATE)
    assert np.sqrt(np.mean((found - mix[: 3 * RATE]) ** 2)) < 0.004


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000])
def test_every_rate_keeps_its_length_and_place(separator, mix, rate):
    audio = resample(mix, RATE, rate)[: 2 * rate + 11]
    found = separator.separate(audio, rate)
    assert found.shape == audio.shape and found.dtype == np.float32
    assert np.corrcoef(found, audio)[0, 1] > 0.99


def test_nothing_and_silence_stay_what_they_are(separator):
    assert separator.separate(np.zeros(0, np.float32), RATE).shape == (0,)
    silence = np.zeros(RATE, np.float32)
    assert np.array_equal(separator.separate(silence, RATE), silence)


def test_long_audio_needs_one_batch_at_a_time(separator, mix, monkeypatch):
    """However long a recording is, the network and the resampling are given no more than that."""
    seen = []
    given = separator._voices
    monkeypatch.setattr(
        separator, "_voices", lambda *a: seen.append((len(a[3]), given(*a))) or seen[-1][1]
    )
    separator.separate(np.tile(mix, 2), RATE)
    assert len(seen) > 1 and max(count for count, _ in seen) <= separator.batch
    longest = max(voices.shape[1] for _, voices in seen)
    assert longest <= (separator.segment + 0.1) * RATE


def test_when_memory_runs_out_fewer_segments_go_together(mix, monkeypatch):
    separator, sizes = random_separator(batch=4), []
    given, audio = separator._voices, mix[: 4 * RATE]
    wanted = separator.separate(audio, RATE)

    def full(audio, net, cuts, starts):
        sizes.append(len(starts))
        if len(starts) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return given(audio, net, cuts, starts)

    monkeypatch.setattr(separator, "_voices", full)
    assert np.abs(separator.separate(audio, RATE) - wanted).max() < 1e-6
    assert sizes[0] > 1 and sizes[-1] == 1
    monkeypatch.setattr(separator, "_voices", lambda *_: full(*_[:3], [0, 0]))
    with pytest.raises(UserError, match="separation/demucs: memory ran out on a single item"):
        separator.separate(audio, RATE)


# --- repositories


def test_only_networks_with_a_share_in_the_vocals_run(tmp_path, mix):
    nets = [tiny.network(seed) for seed in range(3)]
    for number, net in enumerate(nets):
        tiny.save_pickle(net, tmp_path, f"net{number}")
    weights = [[1.0, 0, 0, 0], [0, 1.0, 1.0, 3.0], [0, 0, 0, 1.0]]
    signatures = ["net0", "net1", "net2"]
    tiny.recipe(tmp_path, "three", signatures, f"weights: {weights}\n")
    write_receipt(tmp_path, *LISTED)
    separator = demucs.load(weights=str(tmp_path), model="three", device="cpu")
    assert [share for _, share in separator.nets] == [0.75, 0.25]
    audio = resample(mix, RATE, 44_100)[: 2 * 44_100]
    wanted = packages_own(nets[1:], audio, [[1, 1, 1, 3.0], [1, 1, 1, 1.0]])
    assert np.abs(separator.separate(audio, 44_100) - wanted).max() < 1e-6


def test_the_layout_of_the_hub_is_read_too_without_a_receipt(tmp_path, mix):
    net = tiny.network(5)
    tiny.save_safetensors(net, tmp_path, "5afe")
    tiny.recipe(tmp_path, "htdemucs", ["5afe"])
    separator = demucs.load(weights=str(tmp_path), device="cpu")
    audio = mix[: 2 * RATE]
    wanted = random_separator([(net, 1.0)]).separate(audio, RATE)
    assert np.abs(separator.separate(audio, RATE) - wanted).max() < 1e-6


def test_safetensors_that_name_a_foreign_class_are_not_obeyed(tmp_path):
    about = {"klass": "subprocess.Popen", "args": '[["touch", "x"]]', "kwargs": "{}"}
    tiny.save_safetensors(tiny.network(), tmp_path, "evil", **about)
    tiny.recipe(tmp_path, "htdemucs", ["evil"])
    with pytest.raises(UserError, match=r"holds subprocess\.Popen, quantised or not a network"):
        demucs.load(weights=str(tmp_path), device="cpu")


def test_a_pickle_that_is_not_what_was_downloaded_is_not_opened(repository, monkeypatch):
    (pickle,) = repository.glob("*.th")
    pickle.write_bytes(pickle.read_bytes() + b"x")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(UserError, match="its receipt says .* not opened"):
        demucs.load(weights=str(repository), device="cpu")
    (repository / "receipt.json").unlink()
    with pytest.raises(UserError, match=r"no receipt\.json vouches for it"):
        demucs.load(weights=str(repository), device="cpu")


def test_a_file_that_does_not_fit_its_name_is_refused(repository):
    """The package's own check: eight digits of the sha256 stand in the name."""
    (pickle,) = repository.glob("*.th")
    pickle.write_bytes(pickle.read_bytes() + b"x")
    write_receipt(repository, *LISTED)
    with pytest.raises(UserError, match="cannot be loaded; it is corrupt .*Invalid checksum"):
        demucs.load(weights=str(repository), device="cpu")


def test_weights_of_another_shape_are_refused(tmp_path):
    net = tiny.network()
    net.encoder[0].conv = torch.nn.Conv2d(4, 3, (8, 1))
    tiny.save_pickle(net, tmp_path, "odd")
    tiny.recipe(tmp_path, "htdemucs", ["odd"])
    write_receipt(tmp_path, *LISTED)
    with pytest.raises(UserError, match="cannot be loaded; it is corrupt or of another model"):
        demucs.load(weights=str(tmp_path), device="cpu")


def test_what_a_repository_lacks_is_named(repository):
    with pytest.raises(UserError, match=r"no model 'htdemuc' .* did you mean 'htdemucs'\?"):
        demucs.load(weights=str(repository), model="htdemuc", device="cpu")
    next(repository.glob("*.th")).unlink()
    with pytest.raises(UserError, match=r"lacks 955717e8\.safetensors \(or 955717e8-\*\.th\)"):
        demucs.load(weights=str(repository), device="cpu")


def test_a_model_without_vocals_is_refused(repository, monkeypatch):
    monkeypatch.setattr(demucs, "STEM", "speech")
    with pytest.raises(UserError, match=r"finds \['drums', .*\], not vocals"):
        demucs.load(weights=str(repository), device="cpu")


def test_the_packages_default_that_cannot_be_reached_says_so(weights, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="huggingface.co/adefossez/HTDemucs-ft and are not in"):
        demucs.load(weights="default", model="htdemucs_ft", device="cpu")


def test_the_packages_default_is_read_where_the_hub_keeps_it(repository, mix, monkeypatch):
    def there(name, allow_patterns):
        assert name == "adefossez/HTDemucs" and "*.safetensors" in allow_patterns
        return str(repository)

    tiny.save_safetensors(tiny.network(), repository, tiny.SIGNATURE)
    monkeypatch.setattr("huggingface_hub.snapshot_download", there)
    separator = demucs.load(weights="default", device="cpu")
    assert np.isfinite(separator.separate(mix[:RATE], RATE)).all()


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(demucs, "path", lambda _: pytest.fail("the weights were looked for"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="separation/demucs is to run on a GPU .*`device: cpu`"):
        demucs.load()


@pytest.mark.parametrize("options", [{"overlap": 1.0}, {"shifts": 0}, {"segment": 0.0}])
def test_numbers_that_make_no_sense_are_refused(options):
    with pytest.raises(UserError, match="`overlap` must be at least 0 and below 1"):
        demucs.load(device="cpu", **options)


def test_a_longer_segment_than_was_trained_is_refused(repository):
    with pytest.raises(UserError, match=r"trained on segments of 1\.95 s and cannot hear 8 s"):
        demucs.load(weights=str(repository), segment=8.0, device="cpu")
