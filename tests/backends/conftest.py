"""Fixtures for systems under test that are services, and requests to them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from scripts import backends
from scripts.backends.dialogue import Request
from scripts.services import prices
from scripts.workflow.model_spec import ModelSpec
from tests.backends import duplex_script
from tests.servers.duplex import DuplexRealtime, Steps

KEY = "TEST_DIALOGUE_KEY"
CANARY = "sk-canary-41f0"
USER = (0.1 * np.sin(np.arange(24_000) / 20)).astype(np.float32)  # 1.5 s at 16 kHz
ASK = Request(
    role="joe",
    language="English",
    name="Joe",
    role_prompt="You are Joe.",
    manner="Answer briefly.",
    clip=USER,
    clip_text="Hello.",
    user=USER,
)
PRICES = dict.fromkeys(prices.TOKENS, 0.01)
LIMITED = {"status": 429, "headers": {"Retry-After": "0"}}


@pytest.fixture
def load(services, monkeypatch):
    """Function (backend, server, **options) -> the backend, connected to the server."""
    services(tries=2, resample=2)
    monkeypatch.setenv(KEY, CANARY)

    def loaded(backend: str, server, path: str = "", capability: str = "dialogue", **options):
        options |= {"address": server.address + path, "key": KEY}
        return backends.load(ModelSpec(capability, backend, options))

    return loaded


@pytest.fixture
def realtime(load):
    """Function (*scripts, script=, **options) -> (server, backend) with a clock of the script."""
    servers = []

    def start(*scripts, script=duplex_script.SCRIPT, wall=False, **options):
        server = DuplexRealtime(CANARY, script, scripts).__enter__()
        servers.append(server)
        model = load("realtime", server, "/v1", capability="duplex", **options)
        if not wall:
            model.clock = partial(Steps, server)
        return server, model

    yield start
    for server in servers:
        if server.thread.is_alive():
            server.__exit__()


def second(answer, user=USER) -> Request:
    return replace(ASK, user=user[::-1].copy(), history=((USER, answer),))
