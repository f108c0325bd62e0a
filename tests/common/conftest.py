"""A scripted server and a client that asks it."""

from __future__ import annotations

import json

import pytest

from scripts.common.calls import Call, Client, Got
from scripts.common.store import Store
from tests.servers.scripted import Scripted

KEY = "TEST_SERVICE_KEY"
CANARY = "sk-canary-0123456789abcdef"
GOOD = {"text": "hi", "model": "m-1", "tokens": 4}


@pytest.fixture
def served(services, monkeypatch):
    """Function (steps, **options) -> (server, client, ask); ask(n) asks n different calls."""
    monkeypatch.setenv(KEY, CANARY)
    servers = []

    def start(steps=(), answer=lambda request: GOOD, most=None, read=None, **options):
        server = Scripted(steps, answer)
        servers.append(server)
        client = Client("llm/test", options.pop("model", "m"), server.address, KEY, **options)

        def call(number: int) -> Call:
            async def send(cut: int) -> Got:
                body = json.dumps({"number": number, "limit": 8 * 2**cut}).encode()
                found = await client.post("/v1", body, {"Authorization": f"Bearer {CANARY}"})
                if read:
                    read(found)
                used = {"output token": found["tokens"]}
                return Got(found["text"], used, found["model"])

            return Call({"number": number}, send, most or {"input token": 5, "output token": 8})

        return server, client, lambda n: client.ask([call(i) for i in range(n)], "test")

    yield start
    for server in servers:
        server.__exit__()


def states(client: Client) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in client.store.summary():
        found[row[3]] = found.get(row[3], 0) + row[4]
    return found


def answered(store: Store) -> int:
    return store.db.execute("SELECT COUNT(*) FROM answers").fetchone()[0]
