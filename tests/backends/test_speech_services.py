"""Speech synthesis by services, against servers that speak their protocols: contracts, caching,
faults, voices, the key."""

from __future__ import annotations

import numpy as np
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends import tts
from scripts.backends.dialogue import Request
from scripts.backends.dialogue.cascade import Cascade
from scripts.backends.tts import dashscope as cosyvoice
from scripts.backends.tts._service import pieces
from scripts.common.audio import pcm
from scripts.common.errors import UserError
from tests.servers.dashscope import ModelStudio
from tests.servers.speech import KEY, ONCE, SPEECH, STUDIO_ONCE, always, load
from tests.servers.volcengine import Doubao
from tests.servers.web import Served


@pytest.fixture(autouse=True)
def keys(services, monkeypatch):
    """Each test has its own store and a key for each service."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.setenv("VOLCENGINE_API_KEY", KEY)
    monkeypatch.setattr(cosyvoice, "POLL", 0.01)


@pytest.mark.parametrize(
    "fault",
    [
        {"code": "Arrearage", "message": "Access denied, account overdue", "when": "start"},
        {"code": "InvalidApiKey", "message": f"Invalid API-key {KEY}", "when": "start"},
        {"code": "AccessDenied.Unpurchased", "message": "not activated", "when": "start"},
        {"status": 401},
    ],
    ids=str,
)
@pytest.mark.parametrize("capability", ["asr", "tts"])
def test_what_no_call_can_mend_stops_at_once(fault, capability, capfd):
    with ModelStudio(KEY, faults=[fault]) as server:
        backend = load(capability, "dashscope", server)
        with pytest.raises(UserError, match="DASHSCOPE_API_KEY") as error:
            if capability == "asr":
                backend.transcribe([SPEECH])
            else:
                backend.speak([("Hello.", backend.fixed_voice("English"), "English")])
        assert KEY not in str(error.value) + "".join(capfd.readouterr())


# --- synthesis by either service ----------------------------------------------------------------

SYNTHESISERS = [("dashscope", ModelStudio), ("volcengine", Doubao)]
BOTH = pytest.mark.parametrize("name, kind", SYNTHESISERS, ids=[name for name, _ in SYNTHESISERS])


def lines(backend, *texts: str, language: str = "English"):
    return [(text, backend.fixed_voice(language), language) for text in texts]


@BOTH
def test_synthesis_keeps_its_contract(name, kind):
    with kind(KEY) as server:
        tts.accept(load("tts", name, server), SPEECH, "What the clip says.")


@BOTH
def test_long_text_is_spoken_whole_and_bought_once(name, kind):
    text = "我说的话很长，没有人能说完。" * 200
    with kind(KEY) as server:
        backend = load("tts", name, server, rate=16_000)
        (sound,) = backend.speak(lines(backend, text, language="Chinese"))
        assert server.texts == [text]
        assert sound.dtype == np.float32 and len(sound) == len(text) * 800
        assert 0.999 < np.abs(sound).max() <= 1
        other = load("tts", name, server, rate=16_000)
        assert np.array_equal(other.speak(lines(other, text, language="Chinese"))[0], sound)
        assert server.texts == [text]


@BOTH
def test_text_with_nothing_to_say_is_not_sent_and_loses_no_other_line(name, kind):
    with kind(KEY) as server:
        backend = load("tts", name, server)
        with pytest.raises(ValueError, match="nothing to say in '...!'"):
            backend.speak(lines(backend, "First.", "...!", "Second."))
        assert sorted(server.texts) == ["First.", "Second."]
        assert len(backend.speak(lines(backend, "First.", "Second."))) == 2
        assert len(server.texts) == 2
        assert backend.speak([]) == []


REFUSALS = {
    "dashscope": {"code": "DataInspectionFailed", "message": "inappropriate", "when": "start"},
    "volcengine": {"code": 45001125, "message": "text audit: sensitive", "how": "session"},
}


@BOTH
def test_a_refused_line_says_why_and_is_not_asked_for_again(name, kind):
    with kind(KEY, faults=[REFUSALS[name]] * 3) as server:
        backend = load("tts", name, server)
        for _ in range(2):
            said = "the service refused.*(inappropriate|sensitive)"
            with pytest.raises(tts.Unvoiced, match=said):
                backend.speak(lines(backend, "Something rude."))
        assert server.faults == []
        assert len(backend.speak(lines(backend, "Something kind."))) == 1


@BOTH
def test_speech_in_which_nothing_is_heard_is_none(name, kind):
    with kind(KEY, faults=[{"mute": True}] * 3) as server:
        backend = load("tts", name, server)
        with pytest.raises(ValueError, match="no usable answer.*nothing is to be heard") as error:
            backend.speak(lines(backend, "Hello."))
        assert not isinstance(error.value, tts.Unvoiced)
        assert len(backend.speak(lines(backend, "Hello, you."))) == 1


DOUBAO = [
    {"code": 55000000, "message": "synthesis processing timeout", "how": "session"},
    {"code": 55000000, "message": "server error", "how": "error"},
    {"code": 55000000, "message": "server error", "how": "end"},
    {"code": 45000000, "message": "quota exceeded for types: concurrency", "how": "connection"},
    {"code": 0, "message": "upstream closed", "how": "text"},
    {"garbled": True},
    *ONCE,
]
FAULTS = [("dashscope", ModelStudio, fault) for fault in [*STUDIO_ONCE, {"odd": True}]]
FAULTS += [("volcengine", Doubao, fault) for fault in DOUBAO]


@pytest.mark.parametrize("name, kind, fault", FAULTS, ids=str)
def test_a_line_is_spoken_in_spite_of_a_fault(name, kind, fault):
    with kind(KEY, faults=[fault]) as server:
        backend = load("tts", name, server, rate=16_000)
        (sound,) = backend.speak(lines(backend, "Good morning to you."))
        assert len(sound) == 16_000 and not server.faults


OFTEN = [
    ("dashscope", ModelStudio, STUDIO_ONCE[2]),
    ("dashscope", ModelStudio, ONCE[0]),
    ("volcengine", Doubao, DOUBAO[3]),
    ("volcengine", Doubao, ONCE[0]),
]


@pytest.mark.parametrize("name, kind, fault", OFTEN, ids=str)
def test_being_asked_too_often_is_no_failure(name, kind, fault, services):
    """It costs no attempt: the service is only asked more slowly."""
    services(tries=0)
    with kind(KEY, faults=[fault] * 3) as server:
        backend = load("tts", name, server)
        assert len(backend.speak(lines(backend, "Good morning to you."))) == 1


@pytest.mark.parametrize(
    "capability, name, kind",
    [("asr", "dashscope", ModelStudio), *(("tts", *both) for both in SYNTHESISERS)],
)
def test_a_redirect_is_not_followed(capability, name, kind):
    seen = []

    async def elsewhere(request):
        seen.append(dict(request.headers))
        return web.Response()

    with Served(("GET", "/{any:.*}", elsewhere)) as other:
        address = other.address.replace("http", "ws") if name == "dashscope" else other.address
        away = {"status": 302, "headers": {"Location": f"{address}/stolen"}}
        with kind(KEY, faults=[away]) as server:
            backend = load(capability, name, server)
            with pytest.raises(UserError):
                if capability == "asr":
                    backend.transcribe([SPEECH])
                else:
                    backend.speak(lines(backend, "Hello."))
    assert seen == []


@given(st.text(), st.integers(1, 40))
def test_pieces_of_a_text_are_short_and_together_the_text(text, longest):
    found = pieces(text, longest)
    assert "".join(found) == text
    assert all(len(piece) <= longest for piece in found) and (all(found) or not text)


def test_a_text_is_cut_after_a_word():
    assert pieces("one two three", 8) == ["one two ", "three"]


# --- voices of Model Studio -------------------------------------------------------------------


def test_a_clip_is_enrolled_once_for_ever(tmp_path):
    with ModelStudio(KEY) as server:
        server.slow = 2
        first = load("tts", "dashscope", server).voice(SPEECH, "", "English")
        assert load("tts", "dashscope", server).voice(SPEECH, "", "English") == first
        assert list(server.voices) == [first["voice"]] and len(server.uploads) == 1
        assert load("tts", "dashscope", server).voice(SPEECH[1:], "", "English") != first
        sent, _ = server.uploads.values()
        assert sent.startswith(b"RIFF") and sent.endswith(pcm(SPEECH))


def test_a_voice_is_found_again_without_the_store(services):
    with ModelStudio(KEY) as server:
        first = load("tts", "dashscope", server).voice(SPEECH, "", "English")
        services(store="elsewhere.sqlite")
        assert load("tts", "dashscope", server).voice(SPEECH, "", "English") == first
        assert len(server.voices) == len(server.uploads) == 1


def test_a_clip_that_is_refused_leaves_the_role_without_a_voice_and_says_why():
    short = (400, "Audio.AudioShortError", "valid audio too short!")
    with ModelStudio(KEY, voice_faults=[short] * 3) as server:
        backend = load("tts", "dashscope", server)
        voice = backend.voice(SPEECH, "", "English")
        assert voice["voice"] is None and "audio too short" in voice["reason"]
        with pytest.raises(tts.Unvoiced, match="there is no voice.*audio too short"):
            backend.speak([("Hello.", voice, "English")])
        assert server.texts == []


def test_a_clip_that_does_not_pass_is_no_voice():
    with ModelStudio(KEY) as server:
        backend = load("tts", "dashscope", server)
        name = backend.voice(SPEECH, "", "English")["voice"]
        server.voices[name] = "UNDEPLOYED"
        with pytest.raises(UserError, match="InvalidParameter.*418"):
            backend.speak([("Hello.", {"voice": name}, "English")])


def test_a_role_is_not_given_up_for_a_service_that_is_down(services):
    services(tries=1)
    with ModelStudio(KEY, voice_faults=[(500, "InternalError", "broken")] * 2) as server:
        backend = load("tts", "dashscope", server)
        with pytest.raises(UserError, match="could not be enrolled.*broken.*again"):
            backend.voice(SPEECH, "", "English")
        assert backend.voice(SPEECH, "", "English")["voice"] in server.voices


def test_an_enrolment_survives_faults_and_a_full_account_stops():
    busy = [(429, "Throttling.RateQuota", "slow down"), (500, "InternalError", "broken")]
    with ModelStudio(KEY, voice_faults=busy) as server:
        server.room = 1
        backend = load("tts", "dashscope", server)
        assert backend.voice(SPEECH, "", "English")["voice"] in server.voices
        with pytest.raises(UserError, match="no room for another voice.*delete"):
            backend.voice(SPEECH[1:], "", "English")


# --- Volcano Engine ---------------------------------------------------------------------------


def test_it_has_no_voice_for_a_role():
    with Doubao(KEY) as server:
        backend = load("tts", "volcengine", server)
        with pytest.raises(UserError, match="speak.user_tts"):
            backend.voice(SPEECH, "", "English")


@pytest.mark.parametrize(
    "options, fault, said",
    [
        ({"user_voice_english": "nobody"}, {}, "speaker permission denied"),
        ({"model": "seed-tts-9"}, {}, "403"),
        ({}, {"status": 401}, "401"),
        ({}, {"code": 45000000, "message": "quota exceeded for types: x_lifetime"}, "x_lifetime"),
        ({}, {"code": 45000001, "message": "[Invalid argument] InvalidModel"}, "InvalidModel"),
        ({}, {"code": 45000001, "message": "InvalidDialect", "how": "end"}, "InvalidDialect"),
        ({}, {"code": 55000000, "message": "resource ID is mismatched"}, "mismatched"),
    ],
)
def test_what_volcano_engine_will_never_do_stops_at_once(options, fault, said):
    faults = [{"how": "session", **fault}] if fault else []
    with Doubao(KEY, faults=faults) as server:
        backend = load("tts", "volcengine", server, **options)
        with pytest.raises(UserError, match=said) as error:
            backend.speak(lines(backend, "Hello."))
        assert "VOLCENGINE_API_KEY" in str(error.value) and KEY not in str(error.value)
        assert server.sockets == 1


# --- the key ----------------------------------------------------------------------------------


def test_the_key_is_nowhere(tmp_path, capfd):
    hears = always(f"The key is {KEY[:5]}.")
    faults = [{"code": "InternalError", "message": f"bad key {KEY}", "when": "start"}]
    with ModelStudio(KEY, hears=hears, faults=faults) as server:
        load("asr", "dashscope", server).transcribe([SPEECH])
        backend = load("tts", "dashscope", server)
        backend.speak([("Hello.", backend.voice(SPEECH, "", "English"), "English")])
    faults = [{"code": 55000000, "message": f"bad key {KEY}", "how": "session"}]
    with Doubao(KEY, faults=faults) as server:
        backend = load("tts", "volcengine", server)
        backend.speak(lines(backend, "Hello."))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 1
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in "".join(capfd.readouterr())


# --- in a cascade -----------------------------------------------------------------------------


class Brain:
    def generate(self, chats, max_tokens, seed=0, temperature=0.0):
        return [f"You said: {chat[-1]['content']}" for chat in chats]


def test_a_cascade_hears_answers_and_speaks_in_the_voice_of_the_clip():
    with ModelStudio(KEY, hears=lambda sound: ["Hello there."] if sound else []) as server:
        parts = [load("asr", "dashscope", server), Brain(), load("tts", "dashscope", server)]
        system = Cascade(*parts, role_prompt=True, max_tokens=40)
        request = Request(
            user=SPEECH,
            history=[],
            role="joe",
            name="Joe",
            role_prompt="You are Joe.",
            manner="Be brief.",
            clip=SPEECH[::-1].copy(),
            clip_text="Relax.",
            language="English",
        )
        (answer,) = system.reply([request])
        assert (answer.heard, answer.text) == ("Hello there.", "You said: Hello there.")
        assert len(answer.audio) == len(answer.text) * 1200
        (task,) = [task for task in server.tasks if task["task"] == "tts"]
        assert [task["parameters"]["voice"]] == list(server.voices)


@pytest.mark.parametrize(
    "fault, charged",
    [
        ({"code": "InternalError", "message": "x", "when": "middle"}, True),
        ({"code": "InternalError", "message": "x", "when": "start"}, True),
        ({"code": "Throttling.RateQuota", "message": "x", "when": "middle"}, True),
        ({"code": "Throttling.RateQuota", "message": "x", "when": "start"}, False),
        ({"close": True}, True),
    ],
    ids=str,
)
def test_a_task_that_fails_once_it_has_begun_may_well_be_charged(fault, charged, monkeypatch):
    """What was reserved counts, unless the service says that it did not begin."""
    with ModelStudio(KEY, faults=[fault]) as server:
        backend = load("tts", "dashscope", server)
        backend.client.paid, backend.client.prices = True, {"character": 0.01}
        backend.speak(lines(backend, "Hello."))
        rows = backend.client.store.db.execute("SELECT state, usd FROM attempts").fetchall()
        assert len(rows) == 2 and rows[1] == ("answered", pytest.approx(0.06))
        assert rows[0][1] == pytest.approx(0.06 if charged else 0.0)
