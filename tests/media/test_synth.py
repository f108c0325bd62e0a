"""Written episodes: the file is validated, and each line is spoken in its voice."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import backends
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.media import synth

EPISODE = """
title: 灯塔
language: Chinese
cast:
  a: {character: 甲, voice: zm_one}
  b: {character: 乙, voice: zf_two}
lines:
  - a: 你好。
  - b: 你是谁？
  - a: 我是甲。
"""


class Speaker:
    """Speaks one sample per character."""

    rate = 24_000

    def __init__(self):
        self.said = []

    def speak(self, lines):
        self.said += lines
        if any(text == "…" for text, _, _ in lines):
            raise ValueError("nothing to say in '…'")
        return [np.ones(len(text), np.float32) for text, _, _ in lines]


@pytest.fixture
def speaker(monkeypatch):
    made = Speaker()
    monkeypatch.setattr(backends, "load", lambda spec: made)
    return made


def write(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "x.yaml"


def test_each_line_is_spoken_by_its_voice(tmp_path, speaker):
    title, lines, rate = synth.lines(write(tmp_path, EPISODE), {})
    assert (title, rate) == ("灯塔", 24_000)
    assert speaker.said[1] == ("你是谁？", {"voice": "zf_two"}, "Chinese")
    assert [(line.speaker, line.character, line.text) for line in lines] == [
        ("a", "甲", "你好。"),
        ("b", "乙", "你是谁？"),
        ("a", "甲", "我是甲。"),
    ]
    assert len({line.text_id for line in lines}) == 3
    assert len(lines[1].samples) == 4


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("- b: 你是谁", "- c: 你是谁", "line 2 is said by 'c', who is not in the cast"),
        ("voice: zf_two", "voise: zf_two", "unknown key .*voise.*did you mean 'voice'"),
        ("language: Chinese", "language: Klingon", "language"),
        ("title: 灯塔", "title: [", "not YAML"),
        ("我是甲。", "…", "cannot be spoken: nothing to say"),
    ],
)
def test_a_faulty_episode_is_refused(tmp_path, speaker, old, new, message):
    with pytest.raises(UserError, match=message):
        synth.lines(write(tmp_path, EPISODE.replace(old, new)), {})


def test_the_shipped_episode_is_well_formed():
    episode = synth.read(ROOT / "config/episodes/wugang_dengta.yaml")
    assert len({member["voice"] for member in episode["cast"].values()}) == 2
    names = [member["character"] for member in episode["cast"].values()]
    text = "".join(next(iter(line.values())) for line in episode["lines"])
    assert all(name in text for name in names) and 200 < len(text) < 350
