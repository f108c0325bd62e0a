"""Nothing that a server or an SDK says leaves as much of a key as eight characters."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common import config as settings
from scripts.common import faults
from scripts.common.keys import PIECE, cleaned, learn
from tests.common.conftest import CANARY, GOOD
from tests.common.conftest import KEY as NAME

KEY = 'sk-finch-98765/43210+abc"def=ghij'


@pytest.fixture(autouse=True)
def known(keys_of_one_test):
    learn(KEY, "TEST_KEY")
    for place_holder in ("", "EMPTY", "a", "keys"):
        learn(place_holder, "OWN_SERVER_KEY")


def left(text: str) -> list[str]:
    """The pieces of the key in a text."""
    pieces = [KEY[start : start + PIECE] for start in range(len(KEY) - PIECE + 1)]
    return [piece for piece in pieces if piece in text]


AROUND = st.text(max_size=500)


@given(AROUND, AROUND, st.integers(0, len(KEY)), st.integers(0, len(KEY)))
def test_no_piece_of_a_key_is_left_however_it_stands_in_a_text(before, after, first, last):
    for form in (KEY, KEY[first:last], KEY[:first] + KEY, quote(KEY, safe=""), json.dumps(KEY)):
        text = f"{before}{form}{after}"
        assert not left(cleaned(text)) and not left(faults.short(text))
        assert not left(str(cleaned({"a": [text, {form: 1}]})))


def test_a_piece_of_an_escaped_key_is_taken_out():
    for form in (quote(KEY, safe=""), json.dumps(KEY)[1:-1]):
        for start in range(len(form) - PIECE):
            assert form[start : start + PIECE] not in cleaned(f"a {form[start:]} b")


def test_what_packages_log_and_what_a_process_dies_of_is_cleaned():
    program = (
        "import logging, sys\nfrom scripts.common.keys import learn\n"
        "learn(sys.argv[1], 'TEST_KEY')\n"
        "logging.getLogger('package').warning('cookie %s', sys.argv[1])\n"
        "raise ValueError(sys.argv[1][3:])"
    )
    command = [sys.executable, "-c", program, KEY]
    done = subprocess.run(command, cwd=settings.ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and not left(done.stderr)
    assert "cookie [TEST_KEY]\n" in done.stderr and "ValueError: [TEST_KEY]\n" in done.stderr


@given(AROUND)
def test_a_text_without_a_key_is_left_as_it_is(text):
    assert left(text) or cleaned(text) == text


def test_it_is_taken_out_before_the_text_is_cut():
    """As a server that echoes its request, at any distance from where words are cut."""
    for length in range(faults.SHOWN - len(KEY) - 5, faults.SHOWN + 5):
        said = "x" * length + " Bearer " + KEY
        fault = faults.by_status(401, {}, said)
        assert not left(fault.words)
        assert KEY[:3] not in fault.words  # as half a key would leave
    fault = faults.Fault("fatal", f"it sends us on to /?{KEY}", raw=KEY)
    assert fault.words == str(fault) == "it sends us on to /?[TEST_KEY]"
    assert fault.raw == "[TEST_KEY]"
    assert cleaned(f"wrong key {KEY}.") == "wrong key [TEST_KEY]."


def test_good_replies_and_versions_are_cleaned_before_they_are_kept(served):
    value = {"text": f"it is {CANARY[3:20]}", CANARY: [f"a {CANARY}"]}
    server, client, ask = served(answer=lambda r: {**GOOD, "text": value, "model": f"m-{CANARY}"})
    (result,) = ask(1)
    place = f"[{NAME}]"
    assert result.value == {"text": f"it is {place}", place: [f"a {place}"]}
    assert result.version == f"m-{place}"
    assert ask(1) == [result] and len(server.requests) == 1
    assert CANARY[:PIECE] not in "\n".join(client.store.db.iterdump())
