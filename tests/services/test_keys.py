"""No message from a server or an SDK leaks as many as eight characters of a key."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.services import errors
from scripts.services.keys import PIECE, cleaned, learn
from tests.services.conftest import CANARY, GOOD
from tests.services.conftest import KEY as NAME

KEY = 'sk-finch-98765/43210+abc"def=ghij'


@pytest.fixture(autouse=True)
def known(keys_of_one_test):
    learn(KEY, "TEST_KEY")
    for place_holder in ("", "EMPTY", "a", "keys"):
        learn(place_holder, "OWN_SERVER_KEY")


def left(text: str, key: str = KEY) -> list[str]:
    """The pieces of the key in a text."""
    pieces = [key[start : start + PIECE] for start in range(len(key) - PIECE + 1)]
    return [piece for piece in pieces if piece in text]


AROUND = st.text(max_size=500)


@given(AROUND, AROUND, st.integers(0, len(KEY)), st.integers(0, len(KEY)))
def test_no_piece_of_a_key_is_left_however_it_stands_in_a_text(before, after, first, last):
    for form in (KEY, KEY[first:last], KEY[:first] + KEY, quote(KEY, safe=""), json.dumps(KEY)):
        text = f"{before}{form}{after}"
        assert not left(cleaned(text)) and not left(errors.short(text))
        one, (inside,) = cleaned({"a": [text, {form: 1}]})["a"]
        assert not left(one) and not left(inside)


def test_a_piece_of_an_escaped_key_is_taken_out():
    for form in (quote(KEY, safe=""), json.dumps(KEY)[1:-1]):
        for start in range(len(form) - PIECE):
            assert form[start : start + PIECE] not in cleaned(f"a {form[start:]} b")


DISGUISES = {
    "capitals": str.upper,
    "addresses": lambda part: "".join(f"%{ord(sign):02x}" for sign in part),
    "json": lambda part: "".join(f"\\u{ord(sign):04x}" for sign in part),
    "json, here and there": lambda part: part.replace("-", "\\u002d").replace("4", "\\u0034"),
    "python": lambda part: "".join(f"\\x{ord(sign):02x}" for sign in part),
    "html": lambda part: "".join(f"&#{ord(sign)};" for sign in part),
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_a_key_in_other_signs_is_taken_out_as_well(disguise):
    for first in range(0, len(KEY) - PIECE, 5):
        said = cleaned(f"it said {disguise(KEY[first:])}!")
        assert said.startswith("it said") and "[TEST_KEY]" in said
        for read in (html.unescape, unquote, lambda text: re.sub(r"\\(?:u00|x)", "%", text)):
            assert not left(unquote(read(said)).lower(), KEY.lower())


@given(st.binary(max_size=9), st.binary(max_size=9), st.integers(0, 20), st.integers(8, 34))
def test_no_piece_of_a_key_is_left_in_base64_or_hexadecimal(before, after, first, size):
    part = KEY[first : first + size].encode()
    packed = before + part + after
    if len(part) < PIECE:
        return
    for pack in (base64.b64encode, base64.urlsafe_b64encode, binascii.hexlify):
        assert "[TEST_KEY]" in cleaned(pack(packed).decode())


def test_words_that_only_look_packed_stay_as_they_are():
    for text in ("100% of it", "a%20b &#65; \\u0041", "c2stY2Fu", "SK-CANA", "%"):
        assert cleaned(text) == text


@given(AROUND)
def test_a_text_without_a_key_is_left_as_it_is(text):
    assert left(text) or cleaned(text) == text


def test_it_is_taken_out_before_the_text_is_cut():
    """As a server that echoes its request, at any distance from where words are cut."""
    for length in range(errors.SHOWN - len(KEY) - 5, errors.SHOWN + 5):
        said = "x" * length + " Bearer " + KEY
        fault = errors.by_status(401, {}, said)
        assert not left(fault.words)
        assert KEY[:3] not in fault.words  # as half a key would leave
    fault = errors.CallError("fatal", f"it sends us on to /?{KEY}", raw=KEY)
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


PROGRAM = """
import logging, threading
from scripts.services import keys
keys.learn({key!r}, "TEST_KEY")
try:
    raise ValueError({key!r})
except ValueError:
    logging.exception("it said %s", {key!r}.encode())
def work():
    raise KeyError({key!r})
thread = threading.Thread(target=work)
thread.start()
thread.join()
raise TypeError("a message like " + {key!r})
"""


def test_what_libraries_log_and_errors_that_nobody_caught_are_cleaned():
    key = "sk-canary-0123456789abcdef"
    program = [sys.executable, "-c", PROGRAM.format(key=key)]
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run(program, cwd=root, capture_output=True, text=True, timeout=60).stderr
    assert "it said b'[TEST_KEY]'" in said and "ValueError: [TEST_KEY]" in said
    assert "KeyError: '[TEST_KEY]'" in said and "TypeError: a message like [TEST_KEY]" in said
    assert not left(said, key)
