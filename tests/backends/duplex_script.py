"""A conversation with a server of OpenAI's Realtime protocol that has a script, for its tests."""

from __future__ import annotations

import json

import numpy as np

from scripts.backends.duplex import RATE, Call
from tests.servers.duplex import created, delta, done, started, words

USER = (0.1 * np.sin(np.arange(4 * RATE) / 20)).astype(np.float32)  # 4 s
CALL = Call(USER, "You are Joe.", np.zeros(0, np.float32), "")
# The user talks from 0.8 to 1.6 s and interrupts the answer at 2.4 s.
SCRIPT = [
    (0.8, started()),
    (1.6, created("r1")),
    (1.6, delta("r1", 1.0, 8192)),  # heard from 1.6 s on
    (1.6, delta("r1", 0.5, 16384)),  # from 2.6 s on
    (1.6, words("r1", "one two")),
    (1.6, words("r1", " three")),
    (2.4, started()),
    (2.4, delta("r1", 0.2, 16384)),  # was under way
    (2.4, done("r1", "cancelled")),
    (3.2, created("r2")),
    (3.2, delta("r2", 2.0, -8192)),  # 1.2 s of it are beyond the end
    (3.2, words("r2", "four five")),
]


def stored(model) -> dict:
    """The one answer in a backend's store."""
    ((value,),) = model.client.store.db.execute("SELECT value FROM answers").fetchall()
    return json.loads(value)


def attempts(model) -> list[tuple]:
    """State, words, raw answer and dollars of all attempts."""
    query = "SELECT state, words, raw, usd FROM attempts ORDER BY id"
    return model.client.store.db.execute(query).fetchall()
