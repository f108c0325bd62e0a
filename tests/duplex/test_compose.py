"""The set with known truth: what a row says about times is what is in the sound, to the ms."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from scripts import backends
from scripts.common.errors import UserError
from scripts.duplex import compose as stage
from scripts.duplex import pieces
from scripts.duplex.compose import KINDS, OVERLAPS, compose
from scripts.duplex.fdb import NAMES
from scripts.duplex.layouts import read
from scripts.duplex.material import read_known, read_role_prompts
from scripts.rows.duplex import DuplexItem
from scripts.rows.jsonl import read_rows
from scripts.workflow.model_spec import ModelSpec

CONFIG = Path(__file__).resolve().parents[2] / "config/duplex"
RATE = 24_000
VOICES = ["a", "b", "c", "d", "e"]
CHARACTER = 20  # ms
SMALL = {
    "voice_text": "Hello there.",
    "openers": ["How do boats sail?", "Why is bread soft?"],
    "pause": [["I need,", "a train."], ["For two,", "no fish."]],
    "turn": ["What is it?", "Where are you now?", "Who came along?"],
    "interruption": ["Wait, stop.", "Hold on a moment."],
    "backchannel": [["We went up.", "It was mud.", "We fell."], ["She had it.", "It broke."]],
    "user_backchannel": ["Uh-huh.", "I see."],
    "bystander": [{"nearby": "Where is it?"}, {"aside": "Not now."}],
    "noise": [
        {"sound": "babble", "snr": 5, "seconds": 1.5},
        {"sound": "knocks", "snr": 0, "seconds": 1.0},
    ],
}


class Tones:
    """20 ms of a tone for each character, between 37 ms and 53 ms of silence."""

    voice_mode = "matched"

    def __init__(self, rate=RATE):
        self.rate = rate
        self.lines = []

    def speak(self, lines):
        self.lines += lines
        return [self.tone(*line) for line in lines]

    def tone(self, text, voice, language):
        assert language == "English"
        if "(mute)" in text:
            raise ValueError("there is nothing to say")
        pitch = 250 + 10 * "abcdes".index(voice["voice"])
        at = np.arange(len(text) * CHARACTER * self.rate // 1000) / self.rate
        sound = 0.3 * np.sin(2 * np.pi * pitch * at)
        before, after = (np.zeros(ms * self.rate // 1000) for ms in (37, 53))
        silent = "(silence)" in text
        return np.concatenate([before, sound * (not silent), after]).astype(np.float32)


def run(monkeypatch, folder, lines=SMALL, backend=None, **changed):
    backend = backend or Tones()
    monkeypatch.setattr(backends, "load", lambda spec: backend)
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "known.yaml"
    written.write_text(yaml.safe_dump(lines), encoding="utf-8")
    given = {
        "voices": VOICES,
        "system_voice": "s",
        "each": 2,
        "seed": 1,
        "wait": 3.0,
        "reply": 2.5,
        "clean": True,
    }
    compose(
        lines=written,
        role_prompts=CONFIG / "role_prompts.yaml",
        item_rows=folder / "known.jsonl",
        audio=folder / "known",
        tts=ModelSpec("tts", "made"),
        **(given | changed),
    )
    return read_rows(folder / "known.jsonl", DuplexItem)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The rows of a small set with recombined lines, and its folder."""
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        return {row.id: row for row in run(patch, folder, each=5)}, folder / "known"


def sound(row, folder):
    samples, rate = soundfile.read(folder / row.audio, dtype="int16")
    assert rate == RATE and samples.ndim == 1
    assert soundfile.info(folder / row.audio).subtype == "PCM_16"
    return samples


def times(row):
    return [(event.kind, event.start, event.end) for event in row.events]


def test_each_task_has_its_items_and_overlaps_have_clean_ones(whole):
    rows, _ = whole
    clean = [row for row in rows.values() if row.id.endswith("-clean")]
    assert len(rows) == 5 * (len(KINDS) + len(OVERLAPS)) and len(clean) == 5 * len(OVERLAPS)
    for row in rows.values():
        assert row.collection == "known" and row.language == "English" and row.dropped is None
        assert (row.clean is not None) == (row.task in OVERLAPS and row not in clean)
        if row.clean:
            assert rows[row.clean].task == row.task and rows[row.clean].scenario == row.scenario


def test_clean_items_are_there_only_if_asked_for(tmp_path, monkeypatch):
    rows = run(monkeypatch, tmp_path, each=1, clean=False)
    assert {row.task for row in rows} == set(KINDS) and not any(row.clean for row in rows)
    # The files are there for other people's scorers.
    assert len(list((tmp_path / "known").glob("*/*/clean_input.wav"))) == len(OVERLAPS)


def test_times_of_a_turn_worked_out_by_hand(whole):
    row = whole[0]["turn-001"]  # "What is it?": 11 characters
    assert times(row) == [("user", 0.5, 0.72), ("turn_end", 0.72, 0.72)]
    assert row.seconds == 3.22 and row.events[0].text == "What is it?"


def test_times_of_a_pause_worked_out_by_hand(whole):
    row = whole[0]["pause-001"]  # "I need," and "a train.": 7 and 8 characters
    first, pause, second, end = row.events
    assert (first.start, first.end, pause.start) == (0.5, 0.64, 0.64)
    assert 0.6 <= pause.end - pause.start <= 2.0 and second.start == pause.end
    assert second.end - second.start == pytest.approx(0.16) and end.start == second.end
    assert row.seconds == pytest.approx(end.start + 0.5)  # no time for an answer


def test_times_of_an_interruption_worked_out_by_hand(whole):
    row = whole[0]["interruption-001"]  # 18 and 11 characters
    question, end, words = row.events
    assert (question.start, question.end, end.start) == (0.5, 0.86, 0.86)
    assert words.kind == "interruption" and words.text == "Wait, stop."
    assert 3.0 <= words.start - end.start <= 4.0
    assert words.end - words.start == pytest.approx(0.22)
    assert row.seconds == pytest.approx(words.end + 2.5)


def test_a_story_has_a_place_between_its_sentences_and_none_after_it(whole):
    row = whole[0]["backchannel-001"]
    kinds = [event.kind for event in row.events]
    assert kinds == ["user", "backchannel_place", "user", "backchannel_place", "user", "turn_end"]
    places = [event for event in row.events if event.kind == "backchannel_place"]
    assert all(0.4 <= event.end - event.start <= 0.7 for event in places)


def test_events_are_in_order_and_inside_and_sound_is_where_they_say_and_nowhere_else(whole):
    rows, folder = whole
    for row in rows.values():
        samples = sound(row, folder)
        assert len(samples) == round(row.seconds * RATE)
        left = samples.copy()
        before = 0.0
        for event in row.events:
            assert before <= event.start <= event.end <= row.seconds
            before = event.start
            start, end = round(event.start * RATE), round(event.end * RATE)
            inside = samples[start:end]
            if event.kind in ("pause", "backchannel_place", "turn_end"):
                assert not inside.any()
                continue
            for edge in (inside[: 5 * pieces.MS], inside[-5 * pieces.MS :]):
                assert edge.any()
            assert np.sqrt(np.mean((inside / 32768) ** 2)) > pieces.LEVEL / 10
            left[start:end] = 0
        assert not left.any()


def test_a_clean_item_is_the_same_without_what_overlaps(whole):
    rows, folder = whole
    for row in (row for row in rows.values() if row.clean):
        samples, clean = sound(row, folder), sound(rows[row.clean], folder)
        (event,) = [event for event in row.events if event.kind == OVERLAPS[row.task]]
        start, end = round(event.start * RATE), round(event.end * RATE)
        assert not clean[start:end].any()
        samples[start:end] = 0
        assert np.array_equal(samples, clean)
        assert rows[row.clean].events == [e for e in row.events if e != event]


def test_somebody_else_is_quieter_than_a_user_who_turns_away(whole):
    rows, folder = whole

    def level(row):
        (event,) = [event for event in row.events if event.kind == "bystander"]
        part = sound(row, folder)[round(event.start * RATE) : round(event.end * RATE)] / 32768
        return 20 * np.log10(np.sqrt(np.mean(part**2)) / pieces.LEVEL)

    assert level(rows["bystander-001"]) == pytest.approx(-12, abs=0.3)
    assert level(rows["bystander-002"]) == pytest.approx(-6, abs=0.3)


def test_a_bystander_has_another_voice_and_items_with_one_question_have_one(whole, monkeypatch):
    known = read_known(CONFIG / "known.yaml")
    for number in range(1, 25):
        some = [stage.plan(known, task, number, VOICES, 3) for task in OVERLAPS]
        assert len({one.lines[0] for one in some}) == len({one.scenario for one in some}) == 1
        bystander = stage.plan(known, "bystander", number, VOICES, 3)
        (_, user), (_, other) = bystander.lines
        assert (user != other) == bool(bystander.overlap.nearby)


def test_no_two_items_of_a_task_are_the_same():
    known = read_known(CONFIG / "known.yaml")
    for task in KINDS:
        most = len(stage.sources(known, task)) * len(VOICES)
        plans = [stage.plan(known, task, number, VOICES, 3) for number in range(1, most + 1)]
        assert len({one.lines[:1] for one in plans}) == most >= 40


def test_more_items_leave_the_first_as_they_are_and_so_does_a_second_run(tmp_path, monkeypatch):
    few = {row.id: row for row in run(monkeypatch, tmp_path / "few", each=2)}
    many = {row.id: row for row in run(monkeypatch, tmp_path / "many", each=4)}
    assert len(many) == 2 * len(few) and all(many[ident] == row for ident, row in few.items())
    files = [path for path in (tmp_path / "few/known").rglob("*") if path.is_file()]
    assert len(files) > 40
    for path in files:
        other = tmp_path / "many/known" / path.relative_to(tmp_path / "few/known")
        assert path.read_bytes() == other.read_bytes()


def test_another_seed_changes_voices_and_times(tmp_path, monkeypatch):
    one = {row.id: row for row in run(monkeypatch, tmp_path / "one", seed=1)}
    other = {row.id: row for row in run(monkeypatch, tmp_path / "other", seed=2)}
    assert one.keys() == other.keys()
    assert times(one["pause-001"]) != times(other["pause-001"])


def test_a_synthesiser_of_another_rate_gives_the_same_times(tmp_path, monkeypatch, whole):
    rows = {row.id: row for row in run(monkeypatch, tmp_path, backend=Tones(16_000))}
    for ident in ("turn-001", "interruption-001"):
        for (kind, *one), (other_kind, *other) in zip(
            times(rows[ident]), times(whole[0][ident]), strict=True
        ):
            assert kind == other_kind and one == pytest.approx(other, abs=0.004)


def test_each_line_is_spoken_once(tmp_path, monkeypatch):
    backend = Tones()
    run(monkeypatch, tmp_path, backend=backend, each=4)
    lines = [(text, voice["voice"]) for text, voice, _ in backend.lines]
    assert len(lines) == len(set(lines))
    assert (SMALL["voice_text"], "s") in lines and "s" not in {v for _, v in lines[:-1]}


def test_a_line_that_cannot_be_spoken_drops_its_items_only(tmp_path, monkeypatch):
    lines = SMALL | {"turn": ["What is it?", "(mute)"], "user_backchannel": ["(silence)", "I see."]}
    rows = {row.id: row for row in run(monkeypatch, tmp_path, lines)}
    dropped = {ident: row.dropped for ident, row in rows.items() if row.dropped}
    assert set(dropped) >= {"turn-002", "user_backchannel-001"}
    assert dropped["turn-002"] == "'(mute)' cannot be spoken: there is nothing to say"
    assert dropped["user_backchannel-001"] == "'(silence)' cannot be spoken: it is silent"
    assert set(dropped) - {"turn-002", "user_backchannel-001"} <= {"noise-001"}  # babble of turns
    assert "turn-001" not in dropped and "user_backchannel-002" not in dropped


def test_too_many_items_and_odd_voices_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="11 items of 'pause' are wanted.* give 10; add lines"):
        run(monkeypatch, tmp_path, each=11)
    with pytest.raises(UserError, match="four or more"):
        run(monkeypatch, tmp_path, voices=["a", "b", "b", "c"])
    with pytest.raises(UserError, match="'a' is the system's voice"):
        run(monkeypatch, tmp_path, system_voice="a")
    with pytest.raises(UserError, match="above 0"):
        run(monkeypatch, tmp_path, reply=0)


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"pause": [["only one"]]}, r"pause\.0\.1: Field required"),
        ({"turn": []}, "turn: List should have at least 1 item"),
        ({"turns": ["x"]}, "turns: Extra inputs"),
        ({"bystander": [{"aside": "a", "nearby": "b"}]}, "give one of aside and nearby"),
        ({"noise": [{"sound": "thunder", "snr": 0, "seconds": 1}]}, r"noise\.0\.sound"),
    ],
)
def test_lines_of_another_form_are_refused_by_name(tmp_path, changed, sentence):
    path = tmp_path / "known.yaml"
    path.write_text(yaml.safe_dump(SMALL | changed))
    with pytest.raises(UserError, match=rf"known\.yaml: .*{sentence}"):
        read_known(path)


def test_role_prompts_are_checked(tmp_path):
    path = tmp_path / "roles.yaml"
    path.write_text("default: You like to talk.\nturn: You answer.\n")
    prompts = read_role_prompts(path)
    assert prompts["turn"] == "You answer." and prompts["service"] == "You like to talk."
    path.write_text("default: x\nturns: y\n")
    with pytest.raises(UserError, match="no task 'turns'; did you mean 'turn'"):
        read_role_prompts(path)
    path.write_text("turn: y\n")
    with pytest.raises(UserError, match="no role prompt for 'pause'"):
        read_role_prompts(path)


def test_the_shipped_lines_are_enough_for_eight_of_a_kind():
    known = read_known(CONFIG / "known.yaml")
    assert min(len(stage.sources(known, task)) for task in KINDS) >= 8
    for task in OVERLAPS:
        assert len(getattr(known, task)) >= 8
    assert set(read_role_prompts(CONFIG / "role_prompts.yaml")) >= set(KINDS)


def test_the_folders_are_those_of_the_benchmark(whole):
    rows, folder = whole
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(
        {"smooth_turn_taking", "pause_handling", *NAMES["fdb-1.0"], *NAMES["fdb-1.5"]}
        - {"turn_taking"}
    )
    item = folder / "pause_handling/pause-001"
    pause = rows["pause-001"].events[1]
    assert json.loads((item / "pause.json").read_text()) == [
        {"text": "[PAUSE]", "timestamp": [pause.start, pause.end]}
    ]
    item = folder / "user_interruption/interruption-001"
    words = rows["interruption-001"].events[2]
    assert json.loads((item / "interrupt.json").read_text()) == [
        {
            "context": "How do boats sail?",
            "interrupt": "Wait, stop.",
            "timestamp": [words.start, words.end],
        }
    ]
    assert json.loads((item / "metadata.json").read_text()) == {
        "context_text": "How do boats sail?",
        "current_turn_text": "Wait, stop.",
        "timestamps": [words.start, words.end],
    }
    assert soundfile.info(item / "context.wav").duration == rows["interruption-001"].events[1].start


def test_what_is_written_is_read_back_as_it_was(whole):
    rows, folder = whole
    for layout, most in (("fdb-1.0", 20), ("fdb-1.5", 40)):
        found = read(folder, layout, None, "a test")
        assert len(found) == most and not any(one.fault for one in found)
        for one in found:
            row = rows[one.id.split("-", 1)[1]]
            assert one.task == row.task and one.sound == folder / row.audio
            had = {(k, s, e) for k, s, e in times(row) if k != "backchannel_place"}
            got = {(event.kind, event.start, event.end) for event in one.events}
            if row.task in ("pause", "turn"):
                had -= {event for event in had if event[0] == "turn_end"}
                got -= {event for event in got if event[0] == "turn_end"}
            if row.task == "backchannel":
                had -= {event for event in had if event[0] == "turn_end"}
            assert {k for k, _, _ in got} == {k for k, _, _ in had}
            for kind, start, end in got:
                near = [h for h in had if h[0] == kind and abs(h[1] - start) < 0.004]
                assert len(near) == 1 and near[0][2] == pytest.approx(end, abs=0.004)
