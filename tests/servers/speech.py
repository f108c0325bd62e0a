"""Shared by the tests of speech services."""

from __future__ import annotations

import numpy as np

from scripts import backends
from scripts.workflow.model_spec import ModelSpec

KEY = "sk-canary-5f2d81"
SPEECH = np.random.default_rng(0).uniform(-0.5, 0.5, 40_000).astype(np.float32)  # 2.5 s
# Faults of a websocket of tests/servers that pass if the same is asked again.
ONCE = [
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 503},
    {"close": True},
]
STUDIO_ONCE = [
    {"code": "InternalError.Algo", "message": "broken", "when": "start"},
    {"code": "ResponseTimeout", "message": "late", "when": "middle"},
    {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded", "when": "start"},
    *ONCE,
]


def load(capability: str, backend: str, server, **options):
    """A backend connected to a server of tests/servers."""
    spec = {"address": server.address, **options}
    return backends.load(ModelSpec(capability, backend, spec))


def always(*sentences: str):
    """The text recognized in any sound."""
    return lambda sound: list(sentences)
