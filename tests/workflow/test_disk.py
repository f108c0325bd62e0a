"""The disk space of a run, reported before it starts."""

from __future__ import annotations

import pytest

from scripts.services.settings import rules
from scripts.workflow.cost import estimate, report
from scripts.workflow.disk import stored
from scripts.workflow.lengths import TURNS, mean_length
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.requirements import Work
from scripts.workflow.workload import KEPT, Size

WHOLE = Size(
    media={"film": 2}, roles=98, trained=78, shards=24, written={"single": 800, "multi": 800},
    tested={"single": 2, "multi": 2}, metrics=8,
    lengths={mode: mean_length({}, mode, []) for mode in TURNS},
)  # fmt: skip
MODEL = ModelSpec("tts", "kokoro")
SERVICE = ModelSpec("tts", "volcengine")


def speaking(tts: dict) -> list[Work]:
    return [
        Work("speak", {"split": split, "shard": f"{k}-of-24"}, {"tts": tts})
        for split in ("train", "out_of_domain", "test")
        for k in range(1, 25)
    ]


def test_the_papers_speech_is_counted():
    """Two files a turn of 111,000 dialogues, 1,083 hours at 27 kB a second."""
    found = [stored(job, WHOLE, True) for job in speaking(MODEL)]
    dialogues = KEPT * 98 * 1600
    assert sum(one.files for one in found) == pytest.approx(dialogues * 4, rel=0.01)
    assert sum(one.results for one in found) / 1e9 == pytest.approx(105, rel=0.03)
    assert sum(one.kept for one in found) / 1e9 == pytest.approx(105, rel=0.03)


@pytest.mark.parametrize("tts, keeps, kept", [(MODEL, False, 0), (SERVICE, False, 105)])
def test_jobs_keep_what_the_config_says_and_the_store_all(tts, keeps, kept):
    found = sum(stored(job, WHOLE, keeps).kept for job in speaking(tts))
    assert found / 1e9 == pytest.approx(kept, rel=0.03)


def test_it_is_told():
    text = report(estimate(speaking(MODEL), WHOLE, [], rules()))
    assert "files will be written, 10" in text and "GB kept beside it" in text
