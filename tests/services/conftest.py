"""A scripted server and its client; a store, and calls in it."""

from __future__ import annotations

import json

import pytest

from scripts.services import addresses
from scripts.services.client import Call, Client, Response
from scripts.services.response_store import Store
from scripts.services.settings import Limits
from tests.servers.scripted import Scripted

KEY = "TEST_SERVICE_KEY"
CANARY = "sk-canary-0123456789abcdef"
GOOD = {"text": "hi", "model": "m-1", "tokens": 4}
FREE = Limits(at_once=10, rpm=None, tpm=None)


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
            async def send(cut: int) -> Response:
                body = json.dumps({"number": number, "limit": 8 * 2**cut}).encode()
                found = await client.post("/v1", body, {"Authorization": f"Bearer {CANARY}"})
                if read:
                    read(found)
                used = {"output token": found["tokens"]}
                return Response(found["text"], used, found["model"])

            return Call({"number": number}, send, most or {"input token": 5, "output token": 8})

        return server, client, lambda n: client.ask([call(i) for i in range(n)], "test")

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture
def paid(served, services, monkeypatch, tmp_path):
    """Like `served`, at a dollar per hundred tokens: an address of this machine is treated as
    paid."""
    table = tmp_path / "prices.tsv"
    head = ("host", "model", "unit", "usd", "per", "date", "source")
    rows = [
        ("127.0.0.1", "m", unit, "1", "100", "2026-01-01", "its page")
        for unit in ("input token", "output token")
    ]
    table.write_text("\n".join("\t".join(row) for row in (head, *rows)) + "\n", "utf-8")
    monkeypatch.setattr(addresses, "is_own", lambda address, hosts=(): False)
    monkeypatch.setattr(addresses, "check_address", lambda *arguments: None)

    def start(max_usd, *arguments, **options):
        limits = {"default": {"at_once": 4, "rpm": None, "tpm": None}}
        services(max_usd, prices=str(table), limits=limits)
        return served(*arguments, **options)

    return start


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "calls.sqlite")


def begin(store: Store, key="k", usd=0.0) -> int:
    return store.begin(key, "one", "judge", FREE, {}, usd, 0.0).attempt


def answer(store: Store, key="k", value="hi", blob=None, usd=0.0) -> None:
    store.answered(begin(store, key, usd), "v1", value, blob, 1.0, {}, usd, 10)


def states(client: Client) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in client.store.summary():
        found[row[3]] = found.get(row[3], 0) + row[4]
    return found


def answered(store: Store) -> int:
    return store.db.execute("SELECT COUNT(*) FROM answers").fetchone()[0]
