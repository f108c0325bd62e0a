"""Fixtures of the tests that load the paper's models, run by `make test-models` in an environment
of their own."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts import backends
from scripts.workflow.model_spec import ModelSpec
from tests.models import talks, tiny


def pytest_runtest_setup():
    """Unload SpeechBrain's stand-ins for modules it has renamed: any access makes them import
    packages that are not installed, and hypothesis inspects all modules."""
    for name, module in list(sys.modules.items()):
        if type(module).__module__ == "speechbrain.utils.importutils":
            del sys.modules[name]


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """This session's weights folder; models are created in it when a test asks for one."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHROLE_WEIGHTS", str(folder))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield folder


@pytest.fixture(scope="session")
def tiny_model(weights):
    """Function: name in config/hub_weights.tsv -> the folder of its tiny checkpoint."""
    return functools.partial(tiny.make, weights=weights)


@pytest.fixture(scope="session")
def load(tiny_model):
    """Function (capability, backend, weights=name, **options) -> the backend on the CPU, loaded
    once per session. A nested model is given as a spec."""

    @functools.cache
    def loaded(capability, backend, options):
        return backends.load(ModelSpec(capability, backend, dict(options)))

    def model(capability: str, backend: str, device: str | None = "cpu", **options):
        if "weights" in options and "/" not in options["weights"]:
            tiny_model(options["weights"])
        if device:
            options["device"] = device
        return loaded(capability, backend, tuple(sorted(options.items())))

    return model


@pytest.fixture(scope="session")
def hum() -> np.ndarray:
    """Three seconds of a voice-like buzz with pauses, (48000,) float32 at 16 kHz."""
    time = np.arange(48_000) / 16_000
    pitch = 120 + 15 * np.sin(2 * np.pi * 2 * time)
    buzz = np.sin(2 * np.pi * np.cumsum(pitch) / 16_000 * np.arange(1, 9)[:, None]).sum(axis=0)
    return (0.05 * buzz * (np.sin(2 * np.pi * time) > -0.5)).astype(np.float32)


@pytest.fixture(scope="session")
def persona(load):
    """A tiny PersonaPlex that decodes greedily."""
    return load("duplex", "personaplex", weights=talks.NAMES["personaplex"], **talks.GREEDY)


@pytest.fixture(scope="session")
def call(hum):
    """A call to a full-duplex system, with a role and a voice."""
    return talks.example(hum)


@pytest.fixture
def fed(monkeypatch):
    """Function (system, call, ...) -> what the system's network was fed."""
    return functools.partial(talks.fed, monkeypatch=monkeypatch)
