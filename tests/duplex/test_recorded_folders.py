"""Three folders in Full-Duplex-Bench 1.0's layout with a system's recorded sides, scored as a user
would; the values were worked out by hand from the published rules and their mended form.

Each row below is an item of 12 s: the rate of output.wav, the words of output.json as (start, end,
how many), and what is expected. It sounds from the first word to the last, but for silences of more
than 0.3 s. Four values stand for: official by own text, official by activity, corrected by own
text, corrected by activity; None is a gap, written with its reason.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts import backends
from scripts.duplex.import_conversations import import_conversations
from scripts.duplex.import_duplex import import_duplex
from scripts.duplex.score_duplex import score_duplex
from scripts.duplex.spans import joined
from scripts.duplex.transcribe_duplex import transcribe_duplex
from scripts.rows.duplex import DuplexScore
from scripts.rows.jsonl import read_rows
from scripts.workflow.model_spec import ModelSpec
from tests.duplex.simulated_models import Detector, Recogniser, tone

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 12.0
FOUR = [(form, by) for form in ("official", "corrected") for by in ("own text", "activity")]
EDGE = 0.021  # seconds: frames of the simulated detector at both ends, and the resampler's ringing

# The user pauses from 4 to 5.5 s: takeover.
PAUSES = {
    # Three words in 0.9 s: shorter than 1 s, and no more than three words.
    "3 words": (16_000, [(4.3, 5.2, 3)], (0, 0, 0, 0)),
    # Four words in 0.8 s take the turn; 0.8 s of sound without words do not.
    "4 words": (16_000, [(4.4, 5.2, 4)], (1, 0, 1, 0)),
    # 5.3 - 4.3 = 1.0, which is not less than 1 s.
    "1 second": (16_000, [(4.3, 5.3, 2)], (1, 1, 1, 1)),
    # 3.0 - 1.5 = 1.5 s; the published rule reads no pause.json. Nothing in the pause.
    "before": (24_000, [(1.5, 3.0, 5)], (1, 1, 0, 0)),
    "after": (16_000, [(8.5, 10.0, 5)], (1, 1, 0, 0)),
    # Begins in the pause and lasts 2 s.
    "goes on": (24_000, [(5.0, 7.0, 6)], (1, 1, 1, 1)),
    # From first to last word 5.4 - 4.1 = 1.3 s; 5.0 - 4.5 = 0.5 s of silence make it two utterances
    # of 0.4 s and two words.
    "silence of 0.5 s": (16_000, [(4.1, 4.5, 2), (5.0, 5.4, 2)], (1, 1, 0, 0)),
    # Begins before the pause and ends in it, 1.6 s.
    "into it": (16_000, [(3.0, 4.6, 5)], (1, 1, 1, 1)),
    # 0.4 s of silence: one utterance of 5.3 - 4.1 = 1.2 s.
    "silence of 0.4 s": (16_000, [(4.1, 4.5, 2), (4.9, 5.3, 2)], (1, 1, 1, 1)),
    "silent": (24_000, [], (0, 0, 0, 0)),
}  # fmt: skip

# The turn ends at 4 s: takeover, latency.
TURNS = {
    "answer": (24_000, [(4.6, 7.0, 8)], (1, 1, 1, 1), (0.6, 0.6, 0.6, 0.6)),
    "at once": (16_000, [(4.0, 6.0, 6)], (1, 1, 1, 1), (0, 0, 0, 0)),
    # 3.5 - 4.0 = -0.5, published as 0.
    "too early": (24_000, [(3.5, 6.0, 8)], (1, 1, 1, 1), (0, 0, -0.5, -0.5)),
    # "Mm" at 1.5 s, the answer at 5.0: 1.5 - 4.0 < 0 becomes 0; mended, 5.0 - 4.0 = 1.0.
    "mm, then answer": (16_000, [(1.5, 1.9, 1), (5.0, 7.0, 6)], (1, 1, 1, 1), (0, 0, 1, 1)),
    # Of it, 4.2 - 4.0 = 0.2 s are after the turn's end, too little for an answer.
    "over soon": (16_000, [(3.0, 4.2, 4)], (1, 1, 0, 0), (0, 0, None, None)),
    "3 words": (16_000, [(4.5, 5.4, 3)], (0, 0, 0, 0), (None,) * 4),
    # Over before the turn's end: 1.0 - 4.0 becomes 0 s.
    "before": (16_000, [(1.0, 3.0, 6)], (1, 1, 0, 0), (0, 0, None, None)),
    "silent": (16_000, [], (0, 0, 0, 0), (None,) * 4),
}  # fmt: skip

# The user interrupts from 6 to 8 s: takeover, latency, seconds to stop. What is published is
# measured on the recording cropped at 8 s, so words from then on count.
INTERRUPTIONS = {
    # 8.5 - 8 = 0.5; it stopped 6.5 - 6 = 0.5 s after the interruption began.
    "answer": (24_000, [(2.0, 6.5, 12), (8.5, 11.0, 8)], (1, 1, 1, 1), (0.5,) * 4, 0.5),
    # 8.1 - 8 by words; sound goes on at 8. It never stopped, so it has not answered.
    "never stops": (24_000, [(2.0, 7.9, 18), (8.1, 12.0, 12)],
        (1, 1, 0, 0), (0.1, 0, None, None), None),
    # 9 - 8 = 1; silent at 6 s, so nothing was interrupted.
    "was silent": (16_000, [(2.0, 4.0, 6), (9.0, 11.0, 6)],
        (1, 1, None, None), (1, 1, None, None), None),
    # Stopped at 6.4; 7.2 - 8 = -0.8. Cropped at 8 s, the first word is at 8.2, and sound at 8.
    "too early": (16_000, [(2.0, 6.4, 12), (7.2, 7.9, 2), (8.2, 10.0, 6)],
        (1, 1, 1, 1), (0.2, 0, -0.8, -0.8), 0.4),
    # Its second utterance is over at 7.8, before the interruption is.
    "over too early": (16_000, [(2.0, 6.2, 12), (6.8, 7.8, 4)], (0, 0, 0, 0), (None,) * 4, 0.2),
    # Stops 9 - 6 = 3 s late, answers at 9.6 - 8 = 1.6; cropped, words from 8.1, sound from 8.
    "stops late": (16_000, [(2.0, 7.9, 18), (8.1, 9.0, 3), (9.6, 11.0, 4)],
        (1, 1, 1, 1), (0.1, 0, 1.6, 1.6), 3),
    # Three words in 9.3 - 8.4 = 0.9 s.
    "3 words": (16_000, [(2.0, 6.5, 12), (8.4, 9.3, 3)], (0, 0, 0, 0), (None,) * 4, 0.5),
    # Four words in 9.2 - 8.4 = 0.8 s: a takeover by words.
    "4 words": (16_000, [(2.0, 6.5, 12), (8.4, 9.2, 4)], (1, 0, 1, 0), (0.4, None, 0.4, None), 0.5),
    "silent": (16_000, [], (0, 0, 0, 0), (None,) * 4, None),
}  # fmt: skip


def js(covered, expected=None) -> float:
    """The distance, square root of the Jensen-Shannon divergence in nats, between a distribution
    that is uniform over the covered ones of 60 bins of 0.2 s and the expected one (uniform)."""
    p = np.isin(np.arange(60), covered) / len(covered)
    q = np.full(60, 1 / 60) if expected is None else expected / expected.sum()
    halves = [x[x > 0] @ np.log(2 * x[x > 0] / (p + q)[x > 0]) for x in (p, q)]
    return float(np.sqrt(sum(halves) / 2))


def bins(*ranges) -> list[int]:
    return [i for first, last in ranges for i in range(first, last + 1)]


LONG = [(2.05, 4.55, 6), (6.05, 6.45, 1), (8.05, 8.55, 2)]  # 2.5 s, and two short ones
TWO = bins((30, 32), (40, 42))  # 6.0 to 6.6 and 8.0 to 8.6 s
RAMP = np.arange(60.0)
# The user tells a story from 1 to 11 s: takeover; then frequency a second and distance, official
# and corrected (by own text). Folders are called by their place here, as in the published file.
STORIES = {
    # 2.5 s is a takeover; the short ones after it (1 word, 2 words) reset it. 3 pieces in 12 s, in
    # bins 10 to 22 and TWO. Mended: a takeover and 2 backchannels in 10 s.
    "long, 16 kHz": (16_000, LONG, (0, 0, 1, 1),
        (3 / 12, 0.2), (js(bins((10, 22)) + TWO), js(TWO))),
    # The same at 24 kHz: 2.5 s * 1.5 = 3.75 s > 3 s, a takeover at which listening stops.
    "long, 24 kHz": (24_000, LONG, (1, 1, 1, 1), (0, 0.2), (1, js(TWO))),
    # Times 1.5: 4.575 to 5.175 s (0.6 s, touches one word), 7.575 to 8.775 s (1.2 s: a takeover);
    # bins 22 to 25, 37 to 43. Mended: 0.4 s with 1 word, 0.8 s with 2; bins 15 to 17, 25 to 29.
    # The expected vector (0, 1) becomes a ramp.
    "short, 24 kHz": (24_000, [(3.05, 3.45, 1), (5.05, 5.85, 2)], (1, 1, 0, 0), (2 / 12, 0.2),
        (js(bins((22, 25), (37, 43)), RAMP), js(bins((15, 17), (25, 29)), RAMP))),
    "silent": (16_000, [], (0, 0, 0, 0), (0, 0), (1, None)),
    # After the story: four words, 0.7 s, bins 56 to 59. Mended, it is no part of the story.
    "after": (16_000, [(11.25, 11.95, 4)], (1, 0, 0, 0), (1 / 12, 0), (js(bins((56, 59))), None)),
    # Times 1.5: from 13.575 s, beyond the end, in no bin: all have 1e-10, which is uniform.
    "late, 24 kHz": (24_000, [(9.05, 9.45, 1)],
        (0, 0, 0, 0), (1 / 12, 0.1), (0, js(bins((45, 47))))),
    # At 24 kHz 2.1 s * 1.5 = 3.15 s > 3 s: nothing is listed.
    "2.1 s, 24 kHz": (24_000, [(2.05, 4.15, 6)], (1, 1, 1, 1), (0, 0), (1, None)),
    # Exactly 3 s is not more than 3 s: a takeover, and listed; bins 10 to 25.
    "3 seconds": (16_000, [(2.05, 5.05, 6)], (1, 1, 1, 1), (1 / 12, 0), (js(bins((10, 25))), None)),
    # Two words in exactly 1 s are a takeover; bins 25 to 30.
    "1 second": (16_000, [(5.05, 6.05, 2)], (1, 1, 1, 1), (1 / 12, 0), (js(bins((25, 30))), None)),
    # Three words, and 0.9 s: more than two, so a takeover in both forms; without words it is a
    # backchannel. The file of distributions does not have this item.
    "3 words": (16_000, [(5.05, 5.95, 3)], (1, 0, 1, 0), (1 / 12, 0), (None, None)),
}  # fmt: skip

FOLDERS: dict[str, dict[str, tuple]] = {"A/pause_handling": PAUSES, "B/smooth_turn_taking": TURNS}
FOLDERS |= {"B/user_interruption": INTERRUPTIONS, "C/backchannel": STORIES}
STORY = [{"text": "so", "timestamp": [1 + i / 2, 1.5 + i / 2]} for i in range(20)]
ANNOTATIONS = {
    "pause_handling": ("pause.json", [{"text": "[PAUSE]", "timestamp": [4.0, 5.5]}]),
    "smooth_turn_taking": (
        "turn_taking.json",
        [{"text": "[TURN-TAKING]", "timestamp": [4.0, 4.5]}],
    ),
    "user_interruption": (
        "interrupt.json",
        [{"context": "Rome?", "interrupt": "No, Paris!", "timestamp": [6.0, 8.0]}],
    ),
    "backchannel": ("transcription.json", {"text": "so", "chunks": STORY}),
}


def sound(parts) -> list[tuple[float, float]]:
    """When words sound: in silences of up to 0.3 s, too."""
    return joined([(start, end) for start, end, _ in parts], 0.31)


def words(parts) -> list[dict]:
    """Words of output.json: so many of one length in each part."""
    return [
        {"text": "word", "timestamp": [round(float(a), 3), round(float(b), 3)]}
        for start, end, count in parts
        for a, b in zip(
            np.linspace(start, end, count + 1)[:-1],
            np.linspace(start, end, count + 1)[1:],
            strict=True,
        )
    ]


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> dict[tuple, DuplexScore]:
    """Rows by (folder, place in it, metric, form, by)."""
    home = tmp_path_factory.mktemp("folders")
    for folder, items in FOLDERS.items():
        name, annotation = ANNOTATIONS[Path(folder).name]
        for place, (rate, said, *_) in enumerate(items.values()):
            own = home / folder / str(place)
            own.mkdir(parents=True)
            soundfile.write(own / "input.wav", tone([(1, 4)], SECONDS), 16_000)
            soundfile.write(own / "output.wav", tone(sound(said), SECONDS, rate), rate)
            (own / "output.json").write_text(json.dumps({"text": "", "chunks": words(said)}))
            (own / name).write_text(json.dumps(annotation))
    expected = {str(place): [1 / 60] * 60 for place in range(len(STORIES) - 1)} | {"2": [0, 1]}
    (home / "expected.json").write_text(json.dumps(expected))
    models = {"detector": Detector(), "deaf": Recogniser(deaf=True)}
    rows: list[DuplexScore] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "load", lambda spec: models[spec.backend])
        for name in "ABC":
            rows += _scored(home, name)
    return {(*row.id.rsplit("-", 1), row.metric, row.form, row.by): row for row in rows}


def _scored(home: Path, name: str) -> list[DuplexScore]:
    def at(part: str) -> Path:
        return home / f"{part}-{name}"

    import_duplex(
        ROOT / "config/duplex/role_prompts.yaml",
        at("items"),
        at("user"),
        name,
        str(home / name),
        "fdb-1.0",
    )
    import_conversations(
        at("items"), at("sides"), at("audio"), "theirs", str(home / name), "fdb-1.0"
    )
    given = {
        "item_rows": at("items"),
        "user_audio": at("user"),
        "audio": at("audio"),
        "transcripts": at("transcripts"),
        "system": "theirs",
    }
    transcribe_duplex(
        **given,
        conversations=at("sides"),
        asr=[ModelSpec("asr", "deaf")],
        vad=ModelSpec("vad", "detector"),
    )
    score_duplex(
        **given,
        prompt_interruption=ROOT / "config/prompts/duplex_interruption.md",
        prompt_service=ROOT / "config/prompts/duplex_service.md",
        prompt_behaviour=ROOT / "config/prompts/duplex_behaviour.md",
        expected=home / "expected.json",
        scores=at("scores"),
        speakers=[],
        llm=None,
    )
    return list(read_rows(at("scores"), DuplexScore))


def near(row: DuplexScore, expected: float | None, within: float = 1e-6) -> None:
    if expected is None:
        assert row.value is None and row.dropped, row
    else:
        assert row.value == pytest.approx(expected, abs=within), row


def cases(items):
    return [pytest.param(str(i), *own[2:], id=name) for i, (name, own) in enumerate(items.items())]


@pytest.mark.parametrize(("place", "takeover"), cases(PAUSES))
def test_a_pause(scores, place, takeover):
    for (form, by), value in zip(FOUR, takeover, strict=True):
        near(scores["pause_handling", place, "takeover", form, by], value)


@pytest.mark.parametrize(("place", "takeover", "latency"), cases(TURNS))
def test_the_end_of_a_turn(scores, place, takeover, latency):
    for (form, by), taken, late in zip(FOUR, takeover, latency, strict=True):
        near(scores["smooth_turn_taking", place, "takeover", form, by], taken)
        row = scores["smooth_turn_taking", place, "response_latency", form, by]
        near(row, late, EDGE if by == "activity" else 1e-6)


@pytest.mark.parametrize(("place", "takeover", "latency", "stopped"), cases(INTERRUPTIONS))
def test_an_interruption(scores, place, takeover, latency, stopped):
    for (form, by), taken, late in zip(FOUR, takeover, latency, strict=True):
        near(scores["user_interruption", place, "takeover", form, by], taken)
        row = scores["user_interruption", place, "interruption_latency", form, by]
        near(row, late, EDGE if by == "activity" else 1e-6)
    near(scores["user_interruption", place, "stop_latency", "corrected", "activity"], stopped, EDGE)


@pytest.mark.parametrize(("place", "takeover", "frequency", "distance"), cases(STORIES))
def test_a_story(scores, place, takeover, frequency, distance):
    for (form, by), taken in zip(FOUR, takeover, strict=True):
        near(scores["backchannel", place, "takeover", form, by], taken)
    for metric, values in (("frequency", frequency), ("distance", distance)):
        for form, by, value in zip(
            ("official", "corrected"), ("activity", "own text"), values, strict=True
        ):
            # A count is over the seconds of the file, a distance of ours is rounded to 6 digits.
            near(scores["backchannel", place, f"backchannel_{metric}", form, by], value, 2e-6)
