"""What a model has made in a call that is stopped is in the cache."""

from __future__ import annotations

import pytest

from scripts.common.job import kept, made
from scripts.workflow import model_cache
from tests.workflow.test_model_cache import CLIPS, Ear, stand_in


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(model_cache, "model_key", repr)


class Stopped(Ear):
    """Is stopped within a call, after two clips, the second of which it had first."""

    def transcribe(self, clips, language=None):
        results = super().transcribe(clips, language)
        for place in (1, 0)[: len(clips)]:
            made(self, "transcribe", place, results[place])
            made(self, "another", place, None)  # other methods and models tell theirs, too
            made(object(), "transcribe", place, None)
        raise KeyboardInterrupt


def test_what_a_stopped_call_had_made_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stand_in(tmp_path, Stopped()).transcribe(CLIPS)
    ear = Ear()
    found = stand_in(tmp_path, ear).transcribe(CLIPS)
    assert ear.heard == 1 and found == Ear().transcribe(CLIPS)


class Telling(Ear):
    """Tells what it has as it goes, and returns all of it."""

    def transcribe(self, clips, language=None):
        return kept(self, "transcribe", super().transcribe(clips, language))


def test_what_was_told_is_written_once(tmp_path):
    found = stand_in(tmp_path, Telling()).transcribe(CLIPS)
    assert found == Ear().transcribe(CLIPS)
    (rows,) = tmp_path.glob("*.jsonl")
    assert len([row for row in rows.read_text("utf-8").splitlines() if "English" in row]) == 3
