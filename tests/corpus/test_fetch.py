"""Fetch: a whole episode from a tiny game, users' files, and unavailable media."""

from __future__ import annotations

import errno
import hashlib

import numpy as np
import pytest
import soundfile

from scripts import backends
from scripts.common import audio, documents, tables
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.corpus.fetch import fetch
from scripts.media.truth import TruthLine, read_rttm, read_unscored
from scripts.rows.corpus import Medium, media_id
from scripts.rows.jsonl import content_id, read_rows
from tests.media import tiny_game

EPISODE = """
title: 灯塔
language: Chinese
cast: {a: {character: 甲, voice: one}, b: {character: 乙, voice: two}}
lines: [{a: 你好。}, {b: 你是谁？}]
"""


class Speaker:
    rate = 24_000

    def speak(self, lines):
        return [np.full(12_000, 0.1, np.float32) for _ in lines]


@pytest.fixture
def game(tmp_path, monkeypatch):
    """Packages with a tiny game and some music, in a cache without network; the game's hash."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("SPEECHROLE_CACHE", str(cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (cache / "deb/tiny-game/files/usr").mkdir(parents=True)
    archive = tiny_game.build(cache / "deb/tiny-game/files/usr/queen.1c")
    songs = cache / "deb/songs/files/usr"
    songs.mkdir(parents=True)
    noise = np.random.default_rng(0).normal(0, 0.1, (44_100, 2))
    soundfile.write(songs / "song.ogg", noise, 44_100)
    monkeypatch.setattr(backends, "load", lambda spec: Speaker())
    return hashlib.sha256(archive.read_bytes()).hexdigest()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Fetch rows; returns the Medium rows by the media's names."""
    monkeypatch.chdir(tmp_path)

    def run(*rows: dict[str, str]) -> dict[str, Medium]:
        index = tmp_path / "media.jsonl"
        fetch(list(rows), {}, tmp_path / "media", tmp_path / "truth", index)
        made = read_rows(index, Medium)
        assert [medium.id for medium in made] == sorted({media_id(row) for row in rows})
        files = sorted(path.name for path in (tmp_path / "media").iterdir())
        assert files == sorted(medium.file for medium in made if medium.file)
        names = {media_id(row): row["media"] for row in rows}
        return {names[medium.id]: medium for medium in made}

    return run


def row(media: str, location: str, **values: str) -> dict[str, str]:
    made = {
        "media": media, "batch": "b", "work": "The Work", "location": location, "sha256": "",
        "truth": "", "language": "English", "licence": "free", "redistribute": "no", "music": "",
        "snr": "", "note": "",
    }  # fmt: skip
    made |= values
    documents.check(made, "media", "the row of a test")
    return made


def test_dialogues_become_a_film_with_known_turns(game, run, tmp_path):
    location = "deb:tiny-game/BOB1+AND1"
    song = {"music": "deb:songs/usr/song.ogg", "snr": "10"}
    medium = run(row("Two talks", location, sha256=game, **song))["Two talks"]
    assert medium.file == f"{content_id(location)}.mp4" and medium.dropped is None
    assert not medium.synthetic and not medium.redistribute and medium.work == "The Work"
    truth = tmp_path / "truth" / medium.id
    lines = read_rows(truth.with_suffix(".jsonl"), TruthLine)
    assert {line.speaker for line in lines} == {"joe", "bob", "anderson"} and len(lines) == 13
    turns = read_rttm(truth.with_suffix(".rttm"))
    assert [(line.start, line.end, line.speaker) for line in lines] == turns
    stem = audio.read(truth.with_suffix(".flac"))
    for line in lines:  # each turn of the stem is that line's tone, half a second long
        part = stem[round(line.start * 16_000) : round(line.end * 16_000)]
        assert len(part) == pytest.approx(8000, abs=200) and np.std(part) > 0.1
    between = stem[round(lines[0].end * 16_000) + 200 : round(lines[1].start * 16_000) - 200]
    assert np.abs(between).max() < 0.01


def test_the_same_rows_give_the_same_bytes(game, run, tmp_path):
    talk = row("A talk", "deb:tiny-game/BOB1", music="deb:songs/usr/song.ogg", snr="5")
    contents = []
    for _ in range(2):
        medium = run(talk)["A talk"]
        files = [tmp_path / "media" / medium.file, *sorted((tmp_path / "truth").iterdir())]
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1]


def test_a_written_episode_is_spoken_and_marked(game, run, tmp_path):
    (tmp_path / "lamp.yaml").write_text(EPISODE, encoding="utf-8")
    medium = run(row("Lamp", "synth:lamp.yaml", language="Chinese", redistribute="yes"))["Lamp"]
    assert medium.synthetic and medium.redistribute and medium.language == "Chinese"
    lines = read_rows(tmp_path / "truth" / f"{medium.id}.jsonl", TruthLine)
    assert [(line.character, line.text) for line in lines] == [("甲", "你好。"), ("乙", "你是谁？")]


def test_own_files_bring_their_truth_and_hide_their_names(game, run, tmp_path):
    sound = np.full(1600, 0.1)
    for name in ("第一集.flac", "Title of a Film.weird-suffix", "alone.wav"):
        soundfile.write(tmp_path / name, sound, 16_000, format="FLAC")
    (tmp_path / "known.rttm").write_text("SPEAKER x 1 0.0 0.1 <NA> <NA> ann <NA> <NA>\n")
    (tmp_path / "alone.rttm").write_text("not asked for")
    made = run(
        row("one", "第一集.flac", truth="known.rttm"),
        row("two", str(tmp_path / "Title of a Film.weird-suffix")),
        row("three", "alone.wav"),
    )
    assert made["one"].file.endswith(".flac") and made["two"].file.endswith(".bin")
    assert sorted(path.stem for path in (tmp_path / "truth").iterdir()) == [made["one"].id] * 2


def test_a_truth_of_several_recordings_gives_the_medium_its_own(game, run, tmp_path):
    for name in ("film_a.flac", "film_b.flac", "film_c.flac"):
        soundfile.write(tmp_path / name, np.full(1600, 0.1), 16_000, format="FLAC")
    (tmp_path / "all.rttm").write_text(
        "SPEAKER film_a 1 0.0 0.1 <NA> <NA> ann <NA> <NA>\n"
        "SPEAKER film_b 1 0.0 0.1 <NA> <NA> bob <NA> <NA>\n"
        "NOSCORE film_b 1 0.05 0.03 <NA> <NA> <NA> <NA> <NA>\n"
    )
    (tmp_path / "all.stm").write_text("film_b 1 Bob 0 0.1 <o> Hi.\nfilm_a 1 Ann 0 0.1 <o> Oh.\n")
    made = run(*(row(n, f"film_{n}.flac", truth="all.rttm") for n in "abc"))
    truth = tmp_path / "truth" / made["b"].id
    assert read_rttm(truth.with_suffix(".rttm")) == [(0.0, 0.1, "bob")]
    assert read_unscored(truth.with_suffix(".rttm")) == [(0.05, 0.08)]
    (line,) = read_rows(truth.with_suffix(".jsonl"), TruthLine)
    assert (line.speaker, line.character, line.text) == ("bob", "Bob", "Hi.")
    assert read_rttm(tmp_path / f"truth/{made['a'].id}.rttm") == [(0.0, 0.1, "ann")]
    assert "all.rttm, line 2: another recording ('film_b')" in made["c"].dropped


def test_what_cannot_be_had_has_a_reason_and_stops_nothing(game, run, tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes(b"sound")
    (tmp_path / "b.wav").write_bytes(b"another sound")
    (tmp_path / "lamp.yaml").write_text(EPISODE, encoding="utf-8")
    (tmp_path / "bad.rttm").write_text("SPEAKER x\n")
    wrong = "0" * 64
    song = {"music": "deb:songs/usr/none.ogg", "snr": "5"}
    cases = {
        "hash": (row("hash", "deb:tiny-game/BOB1+AND1", sha256=wrong), "another version"),
        "who": (row("who", "deb:tiny-game/BOB2"), "did you mean 'BOB1'"),
        "song": (row("song", "deb:tiny-game/BOB1", **song), "has no file usr/none.ogg"),
        "file": (row("file", "deb:songs/usr/film.mp4"), "has no file usr/film.mp4"),
        "wheel": (row("wheel", "pypi:nothing-there==1.0/a.wav"), "pip|python"),
        "own": (row("own", "b.wav", sha256=wrong), "another version, or damaged"),
        "song's": (row("song's", "deb:songs/usr/song.ogg", sha256=wrong), "another version"),
        "lamp": (row("lamp", "synth:lamp.yaml", sha256=wrong), "another version"),
        "gone": (row("gone", "../../gone.mp4"), "does not exist"),
        "synth": (row("synth", "synth:gone.yaml"), "does not exist"),
        "truth": (row("truth", "a.wav", truth="bad.rttm"), "bad.rttm, line 1: not RTTM"),
        "odd": (row("odd", "deb:--help/x"), "is not deb:PACKAGE"),
    }
    good = row("good", "deb:tiny-game/AND1", sha256=game)
    made = run(*(case for case, _ in cases.values()), good)
    assert made.pop("good").file
    printed = capsys.readouterr().out
    for name, (_, reason) in cases.items():
        assert made[name].file is None and made[name].dropped in printed
        assert made[name].dropped.startswith(f"{name} (")
        assert any(word in made[name].dropped for word in reason.split("|"))
    assert {path.stem for path in (tmp_path / "truth").iterdir()} == {content_id(good["location"])}


def test_without_apt_the_other_media_are_fetched(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPEECHROLE_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("PATH", str(tmp_path))
    soundfile.write(tmp_path / "a.wav", np.full(1600, 0.1), 16_000)
    made = run(row("game", "deb:flight-of-the-amazon-queen/SPARKY1"), row("own", "a.wav"))
    assert made["own"].file and made["game"].file is None
    assert "apt-get is not on this machine" in capsys.readouterr().out


def test_two_rows_of_one_location_are_one_medium(game, run, capsys):
    made = run(row("first", "deb:tiny-game/AND1"), row("second", "deb:tiny-game/AND1"))
    assert len(made) == 1
    assert "second: another row has the location" in capsys.readouterr().out


def test_a_track_is_handed_on_and_is_a_medium_of_its_own(run, tmp_path):
    (tmp_path / "film.mkv").write_bytes(b"film")
    rows = [row("film", "film.mkv"), row("second", "film.mkv", track="2")]
    made = run(*rows, row("german", "film.mkv", track="deu"), row("first", "film.mkv", track=""))
    assert {name: medium.track for name, medium in made.items()} == {
        "first": "", "second": "2", "german": "deu",
    }  # fmt: skip
    assert made["first"].id == content_id("film.mkv")  # as in a table without the column
    for track in ("0", "english!", "first one"):
        with pytest.raises(UserError, match="track"):
            row("film", "film.mkv", track=track)


def test_no_rows_give_a_valid_empty_result(run, tmp_path):
    assert run() == {}
    assert (tmp_path / "media.jsonl").read_bytes() == b""


def test_a_full_disk_is_no_reason_of_a_medium(game, run, tmp_path):
    location = "deb:tiny-game/AND1"
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / f"{content_id(location)}.mp4").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        run(row("talk", location))
    assert caught.value.errno == errno.ENOSPC
    assert not (tmp_path / "media.jsonl").exists()


def test_music_needs_a_level():
    with pytest.raises(UserError, match="snr"):
        row("talk", "deb:tiny-game/AND1", music="deb:songs/song.ogg")


def test_the_shipped_table_holds_the_default_media():
    rows = tables.read_table(ROOT / "config/media.tsv", "media")
    tables.unique(ROOT / "config/media.tsv", "media", "media")
    assert len({row["location"] for row in rows}) == len(rows)
    assert [row["batch"] for row in rows].count("queen") >= 3
    assert {row["batch"] for row in rows} == {"queen", "pyannote", "chinese"}
