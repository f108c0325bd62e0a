"""The released benchmark with real speech, on the embedded models that a laptop has."""

from __future__ import annotations

import functools

import numpy as np
import yaml

from scripts import backends
from scripts.rows.jsonl import read_all
from scripts.rows.judging import Verdict
from scripts.rows.systems import Reply
from tests.benchmark.release import CAST, make
from tests.default_models import spec_of
from tests.test_benchmark import ROUTE, TABLES, planned, recorded

VOICES = {"user": "af_bella", "Mater": "am_puck", "Stanley Ipkiss": "bm_george"}
VOICES |= {"hutao": "zf_xiaobei", "liyunlong": "zm_yunjian"}
SETTINGS = {
    "evaluate": ["cascade-0.5b"],
    "judge": "objective",
    "only": {"items": 1},
    "shards": 1,
    "models": {"cascade-0.5b": {"max_tokens": 12}},
    "max_missing": 0.5,  # what so small a model says may be nothing but a stage direction
}


def speaker():
    """Speaks the lines of a release with stock voices, each text once."""
    model = backends.load(spec_of("kokoro"))

    @functools.cache
    def spoken(text: str, language: str, who: str) -> np.ndarray:
        voice = model.fixed_voice(language) if who == "user" else {"voice": VOICES[who]}
        return model.speak([(text, voice, language)])[0]

    # The numbers behind the texts are for the JSON.
    return lambda text, language, who: (spoken(text.rstrip(" 01234"), language, who), model.rate)


def test_a_system_and_its_recorded_replies_have_the_same_scores(snakemake, tmp_path):
    release = make(tmp_path / "release", say=speaker(), turns=2)
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({**release.config, **SETTINGS}))
    home = tmp_path / "run"
    printed = snakemake(*TABLES, "--configfile", str(own), directory=home)
    assert set(planned(printed)) == ROUTE | set(TABLES)
    replies = read_all((home / "results/systems/cascade-0.5b").glob("*.jsonl"), Reply)
    assert {reply.role for reply in replies} == set(CAST) and len(replies) == 8

    folder = recorded(tmp_path / "theirs", home, "authors", "cascade-0.5b")
    # Nothing that the first run kept is used.
    again = {"released_replies": {"theirs": str(folder)}, "kept": None}
    own.write_text(yaml.safe_dump({**release.config, **SETTINGS, **again}))
    printed = snakemake(*TABLES, "--configfile", str(own), directory=home)
    assert "respond" not in planned(printed)
    ours, theirs = (
        {
            (row.id, row.metric): (row.score_test, row.score_ref)
            for row in read_all(
                (home / f"results/judging/objective/{name}").glob("*.jsonl"), Verdict
            )
        }
        for name in ("cascade-0.5b", "theirs")
    )
    answered = {reply.id for reply in replies if reply.dropped is None}
    assert len(answered) >= 6 and len(ours) == len(theirs) == 8 * 8
    for key, pair in ours.items():
        if key[0] in answered:
            assert None not in pair and theirs[key] == pair
