"""What a job of each stage costs: units of work and calls, files and bytes. One entry a rule.

Every rule that runs models has an entry (tests/test_shape.py). Units are seconds of audio, tokens
or texts, as config/speeds.tsv counts them for a capability; of training, dialogues. Rows and model
caches (scripts/workflow/model_cache.py) count as bytes; media do not: they are linked into results/
if they lie on the same disk. Imported by the Snakefile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from scripts.workflow.lengths import MEDIUM
from scripts.workflow.workload import CLIP, KINDS, QUESTIONS, REPLY, SIDE, Part

SPEAKERS, CAST = 20, 2  # speakers of a medium; a name and somebody else are tried for each
SCORED = 25  # tokens that scoring a speaker's lines for one name takes, in tokens written
PROFILE, CLASS = 600, 20  # tokens of a profile, a class
PROBES, ADDED = 10, 5.0  # variants of a probed item, seconds of added speech
FLAC = {"corpus": 18_000, "speech": 27_000}  # bytes a second at 16 and 24 kHz
VECTOR = 2_000  # bytes of an embedding
ROW = 1_000  # bytes of a row about a dialogue, a reply or a metric of one; a third for a clip
SCENARIO, RATED, MEASURES = 1500, 60, 20  # tokens, tokens, rows: full duplex, of one role or item
ADAPTER = 40e6  # bytes of a LoRA of 7B parameters, with two checkpoints: three times
LESSON, LINES = 400, 6  # tokens, lines of a dialogue to train on
STEREO = 96_000  # bytes a second of two channels at 24 kHz
LARGE_ADAPTER = 1.6e9  # bytes: rank 128, Moshi, float32; a checkpoint has three times as much
SELDOM = 3  # files of a rule with one output: a table's csv, md and tex

PROMPT = 1000  # tokens that a call to a service reads beside the speech


class Amount(NamedTuple):
    """What one model does."""

    units: float  # of work
    calls: float = 0.0
    read: float = PROMPT  # tokens of a call's prompt


Amounts = dict[str, Amount]  # by capability


@dataclass(frozen=True)
class StageCost:
    """What a job of one stage does and leaves, as functions of how much it works on."""

    work: Callable[[Part], Amounts] = lambda own: {}  # of training, by the rule's name
    # Files; bytes in results/; bytes that jobs keep beside it.
    stored: Callable[[Part], tuple[float, float, float]] = lambda own: (SELDOM, 0.0, 0.0)


def _media(own: Part) -> Amount:
    return Amount(own.media * MEDIUM, own.media)


def _clips(own: Part) -> Amount:
    return Amount(own.clips, own.clips / CLIP)


def _rows(items: float, kept: float, files: int = 1) -> tuple[float, float, float]:
    return files, items * ROW, items * kept


def _clip_rows(own: Part) -> tuple[float, float, float]:
    return _rows(own.clips / CLIP / 3, ROW)


def _judged(own: Part, items: float, turns: float) -> Amounts:
    """What a judge and its parts do: both the system's and the reference's speech are heard."""
    heard = Amount(items * 2 * own.role, 2 * turns)
    return {
        **dict.fromkeys(("asr", "quality", "speaker"), heard),
        "embedding": Amount(2 * turns, 2 * turns),
        "llm": Amount(2 * turns * REPLY, 2 * turns),
        "judge": Amount(items * 2 * own.role, items * own.metrics),
    }


def _scenarios(roles: int) -> Amount:
    return Amount(roles * SCENARIO, roles)


def _duplex(own: Part) -> Amount:
    return Amount(own.asked * SIDE, own.asked)


def _lessons(own: Part) -> float:
    return float(own.params["service"] + own.params["questions"])


def _said(items: float) -> Amount:
    """What users say, a third of a conversation."""
    return Amount(items * SIDE / 3, items)


def _sides(items: float) -> tuple[float, float, float]:
    sound = items * SIDE * FLAC["speech"]
    return items + 1, sound + items * ROW, sound


OTHER = StageCost()  # a rule without models
COSTS = {
    "fetch": StageCost(
        lambda own: {"tts": Amount(0.0)},  # of episodes, which are few
        lambda own: (own.media, 0.0, 0.0),
    ),
    "extract": StageCost(stored=lambda own: (own.media, _media(own)[0] * FLAC["corpus"], 0.0)),
    "separate": StageCost(
        lambda own: {"separation": _media(own)},
        lambda own: (own.media, _media(own)[0] * FLAC["corpus"], 0.0),
    ),
    "diarize": StageCost(lambda own: {"diarization": _media(own)}, _clip_rows),
    "segment": StageCost(lambda own: {"vad": _media(own)}, _clip_rows),
    "rate": StageCost(lambda own: {"quality": _clips(own)}, _clip_rows),
    "transcribe": StageCost(lambda own: {"asr": _clips(own)}, _clip_rows),
    "identify": StageCost(
        lambda own: {
            "llm": Amount(own.media * SPEAKERS * CAST * SCORED, own.media * SPEAKERS * CAST)
        }
    ),
    "choose_voices": StageCost(
        lambda own: {"speaker": _clips(own), "diarization": _clips(own)},
        lambda own: (6 * own.roles, own.roles * 6 * CLIP * FLAC["corpus"], _clips(own)[1] * VECTOR),
    ),
    "profile": StageCost(lambda own: {"llm": Amount(own.roles * PROFILE, own.roles)}),
    "write": StageCost(
        lambda own: {
            "llm": Amount(
                own.tokens, own.written / max(1, own.params.get("batch", 1)), read=own.read
            )
        },
        lambda own: _rows(own.written, ROW),
    ),
    "classify": StageCost(
        lambda own: {"llm": Amount(own.written * CLASS, own.written)},
        lambda own: _rows(own.written, ROW),
    ),
    "deduplicate": StageCost(
        lambda own: {"embedding": Amount(own.written, own.written)},
        lambda own: _rows(own.written, VECTOR, files=2),
    ),
    "split": StageCost(stored=lambda own: _rows(own.written, 0.0, files=3)),
    "speak_users": StageCost(
        lambda own: {"tts": Amount(own.spoken * own.user, own.spoken)},
        lambda own: (0, 0.0, own.spoken * own.user * FLAC["speech"]),  # its outputs are temporary
    ),
    "speak": StageCost(
        lambda own: {
            "tts": Amount(own.spoken * own.role, own.spoken)
            if own.separate_user_tts
            else Amount(own.spoken * (own.user + own.role), own.spoken * 2)
        },
        lambda own: (
            own.lines + 1,
            own.spoken * ((own.user + own.role) * FLAC["speech"] + ROW),
            own.spoken * (own.role + own.user * (not own.separate_user_tts)) * FLAC["speech"],
        ),
    ),
    "finetune": StageCost(
        lambda own: {
            "finetune": Amount(own.trained * float(own.params["settings"].get("epochs", 1)))
        },
        lambda own: (20, 3 * ADAPTER, 0.0),
    ),
    "respond": StageCost(
        lambda own: {
            "asr": Amount(own.tested * own.user, own.turns),
            "llm": Amount(own.turns * REPLY, own.turns),
            "tts": Amount(own.tested * own.role, own.turns),
            "dialogue": Amount(own.tested * own.role, own.turns),
        },
        lambda own: (
            own.turns + 1,
            own.tested * (own.role * FLAC["speech"] + ROW),
            own.tested * own.role * FLAC["speech"],
        ),
    ),
    "judge": StageCost(
        lambda own: _judged(own, own.tested, own.turns),
        lambda own: _rows(own.tested * own.metrics, ROW),
    ),
    "speak_probes": StageCost(
        lambda own: {"tts": Amount(own.params["number"] * 2 * ADDED, own.params["number"] * 2)}
    ),
    "probe": StageCost(
        lambda own: _judged(own, own.params["number"] * PROBES, own.params["number"] * PROBES)
    ),
    "scenarios": StageCost(
        # Without a model, the params are not known here.
        lambda own: {"llm": _scenarios(own.params.get("roles", 0))}
    ),
    "speak_scenarios": StageCost(
        lambda own: {"tts": _said(QUESTIONS * own.params["roles"])},
        lambda own: _sides(QUESTIONS * own.params["roles"]),
    ),
    "compose": StageCost(
        lambda own: {"tts": _said(KINDS * own.params["each"])},
        lambda own: _sides(KINDS * own.params["each"]),
    ),
    "converse": StageCost(
        lambda own: (
            dict.fromkeys(("duplex", "dialogue", "asr", "tts"), _duplex(own))
            | {"llm": Amount(own.asked * REPLY, own.asked)}
        ),
        lambda own: _sides(own.asked),
    ),
    "transcribe_duplex": StageCost(
        lambda own: dict.fromkeys(("asr", "vad"), _duplex(own)),
        lambda own: _rows(own.asked, 0.0),
    ),
    "score_duplex": StageCost(
        lambda own: {"speaker": _duplex(own)} | {"llm": Amount(own.asked * RATED, own.asked)},
        lambda own: _rows(own.asked * MEASURES, 0.0),
    ),
    "duplex_figure": StageCost(lambda own: {"vad": _duplex(own)}),
    "train_material": StageCost(
        lambda own: {
            "tts": Amount(_lessons(own) * SIDE, _lessons(own) * LINES),
            "llm": Amount(own.params["service"] * LESSON, own.params["service"]),
        },
        lambda own: (3 * _lessons(own), _lessons(own) * (SIDE * STEREO + ROW), 0.0),
    ),
    "check_material": StageCost(lambda own: {"duplex": Amount(own.params["heard"] * SIDE)}),
    "finetune_duplex": StageCost(
        lambda own: {
            "finetune_duplex": Amount(
                float(own.params["settings"]["steps"] * own.params["settings"]["batch"])
            )
        },
        lambda own: (5, 4 * LARGE_ADAPTER, 0.0),
    ),
}


def of(rule: str) -> StageCost:
    """The entry of a rule; of one without models, a table's."""
    return COSTS.get(rule, OTHER)
