"""Money and sudden death: nothing is spent beyond the limit, nothing paid for is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.services.client import CallError
from scripts.services.ledger import BudgetReached
from scripts.services.response_store import Store
from tests.servers.scripted import Scripted, Step
from tests.services.buyer import BUYER
from tests.services.conftest import GOOD, KEY, answered, states

ROOT = Path(__file__).resolve().parents[2]


def test_at_the_limit_the_run_stops_and_keeps_what_it_has(paid):
    server, client, ask = paid({"all": 1.0})
    with pytest.raises(BudgetReached, match=r"max_usd is reached: 0\.\d\d of 1\.00 USD .* kept in"):
        ask(100)
    spent = client.store.spent()
    assert 0.8 < spent <= 1.0 and len(server.requests) == round(spent / 0.04)
    assert states(client) == {"answered": len(server.requests)}
    server, client, ask = paid({"all": 10.0}, model="m")  # another address: asked anew
    assert len(ask(100)) == 100


BROKE = """
import json, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from scripts.services import addresses, client as services
from scripts.workflow import stage

addresses.is_own = lambda address, hosts=(): False
addresses.check_address = lambda *arguments: None

def buy(bought: Path, address: str) -> None:
    "Ask for more than there is money for."
    client = services.Client("llm/test", "m", address, {key!r})

    def call(number):
        async def send(cut):
            found = await client.post("/v1", json.dumps({{"number": number}}).encode(), {{}})
            return services.Response(found["text"], {{"output token": 4}}, "m-1")
        return services.Call({{"number": number}}, send, {{"output token": 8}})

    bought.write_text(str(len(client.ask([call(n) for n in range(100)], "buy"))))

stage.run(buy)
"""


def test_a_stage_that_is_out_of_money_ends_with_one_sentence_and_its_answers(paid, tmp_path):
    server, client, _ = paid({"all": 10.0, "buy": 1.0})
    program = tmp_path / "buy.py"
    program.write_text(BROKE.format(root=str(ROOT), key=KEY))
    command = [sys.executable, str(program), "--bought", "bought.txt", "--address", server.address]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    said = [line for line in done.stderr.splitlines() if line]
    assert done.returncode == 1 and not (tmp_path / "bought.txt").exists()
    assert len(said) == 1 and said[0].startswith("buy: max_usd of buy is reached: 0.9")
    assert answered(client.store) == len(server.requests) > 20


def test_what_may_be_spent_is_never_exceeded_even_by_faults(paid):
    costly = {**GOOD, "tokens": 8}

    def read(found: dict) -> None:
        raise CallError("refused", "no", used={"output token": found["tokens"]})

    server, client, ask = paid({"all": 1.0}, answer=lambda r: costly, read=read)
    with pytest.raises(BudgetReached):
        ask(100)
    assert client.store.spent() == pytest.approx(0.08 * len(server.requests)) and (
        client.store.spent() <= 1.0
    )


def test_a_paid_address_without_a_limit_is_refused(paid):
    with pytest.raises(UserError, match="llm/test must be paid: set max_usd"):
        paid({"all": None})


def test_a_model_without_a_price_is_refused(paid):
    with pytest.raises(UserError, match="no price of 'mm'.*did you mean 'm'"):
        paid({"all": 1.0}, model="mm")


def test_a_missing_key_is_named(paid, monkeypatch):
    monkeypatch.delenv(KEY)
    with pytest.raises(UserError, match=f"llm/test needs {KEY} in the environment"):
        paid({"all": 1.0})


def test_kill_9_at_ten_moments_loses_no_answered_call(services, tmp_path):
    """What the server answered and the client had read is never asked again; the result is that of
    an undisturbed run."""
    program = tmp_path / "buyer.py"
    program.write_text(textwrap.dedent(BUYER.format(root=str(ROOT), count=400)))
    answer = lambda r: Step(body={"text": r.json["number"] ** 2}, hold=0.03)  # noqa: E731
    rng, kept = random.Random(0), 0
    with Scripted(answer=answer) as server:
        command = [sys.executable, str(program), server.address]
        store = Store(tmp_path / "cache/calls.sqlite")
        for _ in range(10):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path)
            goal = min(390, kept + rng.randint(1, 35))
            while answered(store) < goal:  # at a random count of answers, whatever the speed
                assert process.poll() is None
                time.sleep(rng.uniform(0.001, 0.02))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert answered(store) >= kept
            kept = answered(store)
        asked = -1
        while asked < (asked := len(server.requests)):  # what the last one sent may come late
            time.sleep(0.5)
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
        assert len(server.requests) - asked == 400 - kept
        assert json.loads(done.stdout.splitlines()[-1]) == [n * n for n in range(400)]
        # Only what was under way at the ten moments was asked twice.
        assert len(server.requests) <= 400 + 10 * 32
        under_way = sum(row[4] for row in store.summary() if row[3] == "lost")
        assert len(server.requests) <= 400 + under_way
