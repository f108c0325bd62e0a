"""What a job of each stage costs: units of work and calls, files and bytes. One entry a rule.

Every rule that runs models has an entry (tests/test_shape.py). Units are seconds of audio, tokens
or texts, as config/speeds.tsv counts them for a capability; of training, dialogues. Rows and model
caches (scripts/workflow/model_cache.py) count as bytes; media do not: they are linked into results/
if they lie on the same disk. Imported by the Snakefile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scripts.workflow.workload import CLIP, MEDIUM, REPLY, ROLE, USER, Part

SPEAKERS, CAST = 20, 2  # speakers of a medium, and names tried for each
SCORED = 25  # tokens that scoring a speaker's lines for one name takes, in tokens written
PROFILE, CLASS = 600, 20  # tokens of a profile, a class
PROBES, ADDED = 10, 5.0  # variants of a probed item, seconds of added speech
FLAC = {"corpus": 18_000, "speech": 27_000}  # bytes a second at 16 and 24 kHz
VECTOR = 2_000  # bytes of an embedding
ROW = 1_000  # bytes of a row about a dialogue, a reply or a metric of one; a third for a clip
ADAPTER = 40e6  # bytes of a LoRA of 7B parameters, with two checkpoints: three times
SELDOM = 3  # files of a rule with one output: a table's csv, md and tex

Amounts = dict[str, tuple[float, float]]  # capability -> units of work, calls


@dataclass(frozen=True)
class StageCost:
    """What a job of one stage does and leaves, as functions of how much it works on."""

    work: Callable[[Part], Amounts] = lambda own: {}  # of training, by the rule's name
    # Files; bytes in results/; bytes that jobs keep beside it.
    stored: Callable[[Part], tuple[float, float, float]] = lambda own: (SELDOM, 0.0, 0.0)


def _clip_rows(own: Part) -> tuple[float, float, float]:
    rows = own.clips / CLIP * ROW / 3
    return 1, rows, rows


def _judged(own: Part, items: float, turns: float) -> Amounts:
    """What a judge and its parts do: both the system's and the reference's speech are heard."""
    heard = (items * 2 * ROLE, 2 * turns)
    return {
        **dict.fromkeys(("asr", "quality", "speaker"), heard),
        "embedding": (2 * turns, 2 * turns),
        "llm": (2 * turns * REPLY, 2 * turns),
        "judge": (items * 2 * ROLE, items * own.metrics),
    }


OTHER = StageCost()  # a rule without models
COSTS = {
    "fetch": StageCost(
        work=lambda own: {"tts": (0.0, 0.0)},  # of episodes, which are few
        stored=lambda own: (own.media, 0.0, 0.0),
    ),
    "extract": StageCost(stored=lambda own: (own.media, own.media * MEDIUM * FLAC["corpus"], 0.0)),
    "separate": StageCost(
        work=lambda own: {"separation": (own.media * MEDIUM, own.media)},
        stored=lambda own: (own.media, own.media * MEDIUM * FLAC["corpus"], 0.0),
    ),
    "diarize": StageCost(
        work=lambda own: {"diarization": (own.media * MEDIUM, own.media)}, stored=_clip_rows
    ),
    "segment": StageCost(
        work=lambda own: {"vad": (own.media * MEDIUM, own.media)}, stored=_clip_rows
    ),
    "rate": StageCost(
        work=lambda own: {"quality": (own.clips, own.clips / CLIP)}, stored=_clip_rows
    ),
    "transcribe": StageCost(
        work=lambda own: {"asr": (own.clips, own.clips / CLIP)}, stored=_clip_rows
    ),
    "identify": StageCost(
        work=lambda own: {
            "llm": (own.media * SPEAKERS * CAST * SCORED, own.media * SPEAKERS * CAST)
        }
    ),
    "choose_voices": StageCost(
        work=lambda own: dict.fromkeys(("speaker", "diarization"), (own.clips, own.clips / CLIP)),
        stored=lambda own: (
            6 * own.roles,
            own.roles * 6 * CLIP * FLAC["corpus"],
            own.clips / CLIP * VECTOR,
        ),
    ),
    "profile": StageCost(work=lambda own: {"llm": (own.roles * PROFILE, own.roles)}),
    "write": StageCost(
        work=lambda own: {"llm": (own.tokens, own.written / max(1, own.params.get("batch", 1)))},
        stored=lambda own: (1, own.written * ROW, own.written * ROW),
    ),
    "classify": StageCost(
        work=lambda own: {"llm": (own.written * CLASS, own.written)},
        stored=lambda own: (1, own.written * ROW, own.written * ROW),
    ),
    "deduplicate": StageCost(
        work=lambda own: {"embedding": (own.written, own.written)},
        stored=lambda own: (2, own.written * ROW, own.written * VECTOR),
    ),
    "split": StageCost(stored=lambda own: (3, own.written * ROW, 0.0)),
    "speak_users": StageCost(
        work=lambda own: {"tts": (own.spoken * USER, own.spoken)},
        # Its outputs are temporary.
        stored=lambda own: (0, 0.0, own.spoken * USER * FLAC["speech"]),
    ),
    "speak": StageCost(
        work=lambda own: {
            "tts": (own.spoken * ROLE, own.spoken)
            if own.separate_user_tts
            else (own.spoken * (USER + ROLE), own.spoken * 2)
        },
        stored=lambda own: (
            own.lines + 1,
            own.spoken * ((USER + ROLE) * FLAC["speech"] + ROW),
            own.spoken * (ROLE if own.separate_user_tts else USER + ROLE) * FLAC["speech"],
        ),
    ),
    "finetune": StageCost(
        work=lambda own: {
            "finetune": (own.trained * float(own.params["settings"].get("epochs", 1)), 0.0)
        },
        stored=lambda own: (20, 3 * ADAPTER, 0.0),
    ),
    "respond": StageCost(
        work=lambda own: {
            "asr": (own.tested * USER, own.turns),
            "llm": (own.turns * REPLY, own.turns),
            "tts": (own.tested * ROLE, own.turns),
            "dialogue": (own.tested * ROLE, own.turns),
        },
        stored=lambda own: (
            own.turns + 1,
            own.tested * (ROLE * FLAC["speech"] + ROW),
            own.tested * ROLE * FLAC["speech"],
        ),
    ),
    "judge": StageCost(
        work=lambda own: _judged(own, own.tested, own.turns),
        stored=lambda own: (1, own.tested * own.metrics * ROW, own.tested * own.metrics * ROW),
    ),
    "probe": StageCost(
        work=lambda own: {
            **_judged(own, own.params["number"] * PROBES, own.params["number"] * PROBES),
            "tts": (own.params["number"] * 2 * ADDED, own.params["number"] * 2),
        }
    ),
}


def of(rule: str) -> StageCost:
    """The entry of a rule; of one without models, a table's."""
    return COSTS.get(rule, OTHER)
