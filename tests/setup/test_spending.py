"""The ledger of calls as shown to people."""

from __future__ import annotations

import pytest

from scripts.common.errors import UserError
from scripts.services.response_store import Store
from scripts.services.settings import Limits
from scripts.setup.spending import table

FREE = Limits(at_once=10, rpm=None, tpm=None)


def test_each_stage_and_model_has_its_calls_tokens_and_dollars(tmp_path):
    store = Store(tmp_path / "calls.sqlite")
    for number in range(3):
        attempt = store.begin(f"{number}", "m at https://x", "judge", FREE, {}, 0.5, 10).attempt
        store.answered(attempt, "m-1", "hi", None, 1.0, {"input token": 7}, 0.25, 10)
    attempt = store.begin("3", "m at https://x", "judge", FREE, {}, 0.5, 10).attempt
    store.failed(attempt, "limited", "HTTP 429", usd=0.0)
    head, first, second, last = table(store.path).splitlines()
    assert head.split() == ["stage", "model", "version", "state", "calls", "tokens", "USD"]
    assert first.split() == ["judge", "m", "at", "https://x", "-", "limited", "1", "10", "0.0000"]
    assert second.split()[-5:] == ["m-1", "answered", "3", "21", "0.7500"]
    assert last.split() == ["all", "4", "31", "0.7500"]


def test_without_a_store_it_says_so(tmp_path):
    with pytest.raises(UserError, match="no service was asked yet"):
        table(tmp_path / "calls.sqlite")
