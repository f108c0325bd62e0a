"""Fetch: the media of one batch, and the ground truth about who speaks in them.

The paper (section 3.1) starts from films, series and games without saying how they were obtained;
a row of config/media.tsv gives a medium's location (scripts/media/locate.py). Dialogues of the game
are joined into an episode, mixed with music and made into a film, and written episodes are
synthesised, so that every later step has real work and a known truth. The truth goes into a folder
that only corpus_quality reads.
"""

import errno
import os
import re
import shutil
from pathlib import Path
from typing import Any

from scripts.common.audio import RATE, normalise, resample
from scripts.common.errors import UserError
from scripts.common.progress import progress
from scripts.media import episode, game, locate, synth
from scripts.media.truth import read as read_truth
from scripts.media.truth import read_unscored
from scripts.media.truth import write as write_truth
from scripts.rows.corpus import Medium, media_id
from scripts.rows.jsonl import write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

GAME = "queen.1c"


def fetch(
    rows: list[dict[str, str]], tts: ModelSpec, media: Path, truth: Path, index: Path
) -> None:
    """Get the media of `rows` (rows of media.tsv) into the folders `media` and `truth`.

    `index` receives one Medium a row, by id, a digest of the location (and track): titles go no
    further. An unavailable medium keeps its row with the reason in `dropped`, which is printed too,
    and never stops the others. `tts` is the spec of the backend that speaks written episodes.
    Raises OSError if the disk is full.
    """
    media.mkdir(parents=True, exist_ok=True)
    truth.mkdir(parents=True, exist_ok=True)
    made: dict[str, Medium] = {}
    for row in progress(rows, len(rows), "fetch"):
        name = media_id(row)
        if name in made:
            print(f"{row['media']}: another row has the location {row['location']}; it is used.")
            continue
        made[name] = _medium(name, row, tts, media, truth)
    write_rows(index, (made[name] for name in sorted(made)))


def _medium(name: str, row: dict[str, str], tts: ModelSpec, media: Path, known: Path) -> Medium:
    known_of_it: dict[str, Any] = {key: row.get(key, "") for key in ("work", "language", "track")}
    synthetic, redistribute = row["location"].startswith("synth:"), row["redistribute"] == "yes"
    made = Medium(id=name, file=None, synthetic=synthetic, redistribute=redistribute, **known_of_it)
    try:
        made.file = _get(name, row, tts, media, known)
    except (UserError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        for half in (*media.glob(f"{name}.*"), *known.glob(f"{name}.*")):
            half.unlink()
        made.dropped = f"{row['media']} ({row['location']}) could not be had: {error}"
        print(made.dropped)
    return made


def _get(name: str, row: dict[str, str], tts: ModelSpec, media: Path, known: Path) -> str:
    """Put the medium into `media` and its truth into `known`; returns the file name."""
    kind, package, rest = locate.split(row["location"])
    if kind == "synth":
        path = locate.own(rest)
        locate.check(path, row["sha256"])
        return _film(name, row, *synth.lines(path, tts), None, media, known)
    if kind == "deb":
        folder = locate.deb(package)
        archives = sorted(folder.rglob(GAME))
        if archives:
            locate.check(archives[0], row["sha256"])
            pictures = sorted(folder.rglob("*.png"))
            spoken = _dialogues(game.Archive(archives[0]), rest.split("+"))
            return _film(name, row, *spoken, pictures[0] if pictures else None, media, known)
        path = locate.inside(folder, rest, package)
    else:
        path = locate.wheel_member(package, rest) if kind == "pypi" else locate.own(rest)
    locate.check(path, row["sha256"])
    return _copy(name, row, path, kind != "path", media, known)


def _dialogues(archive: game.Archive, names: list[str]) -> tuple[str, list[episode.Line], int]:
    """Title, lines and rate of one or more dialogues of the game."""
    lines, rates = [], set()
    for dialogue in names:
        for line in game.lines(archive, dialogue):
            role = line.character.lower()
            rates.add(line.rate)
            lines.append(
                episode.Line(role, line.character, dialogue, line.text_id, line.text, line.samples)
            )
    if len(rates) > 1:
        raise UserError(f"the lines of {'+'.join(names)} have different rates: {sorted(rates)} Hz.")
    return f"Flight of the Amazon Queen: {' + '.join(names)}", lines, rates.pop()


def _film(
    name: str, row: dict[str, str], title: str, lines: list[episode.Line], rate: int,
    picture: Path | None, media: Path, known: Path,
) -> str:  # fmt: skip
    """Join lines, mix in the row's music, make a film and write the truth."""
    speech, turns = episode.join(lines, rate, name)
    speech = resample(speech, rate, episode.RATE)
    sound = speech[:, None]
    if row["music"]:
        music = episode.load_music(_music(row["music"]), name)
        sound = episode.under(speech, music, turns, episode.RATE, _snr(row))
    peak = max(float(abs(sound).max()), float(abs(speech).max()))
    scale = min(1.0, 0.99 / peak)  # a mix that would clip is attenuated as a whole
    episode.film(media / f"{name}.mp4", sound * scale, title, picture)
    stem = normalise(resample(speech * scale, episode.RATE, RATE), 0.99)
    write_truth(known, name, [(t.start, t.end, t.speaker) for t in turns], turns, stem)
    return f"{name}.mp4"


def _music(location: str) -> Path:
    kind, package, rest = locate.split(location)
    if kind == "deb":
        return locate.inside(locate.deb(package), rest, package)
    if kind == "path":
        return locate.own(rest)
    raise UserError(f"music comes from deb:PACKAGE/FILE or a path, not from '{location}'.")


def _snr(row: dict[str, str]) -> float:
    try:
        return float(row["snr"])
    except ValueError as error:
        raise UserError(f"music needs an snr in dB; the row has '{row['snr']}'.") from error


def _copy(
    name: str, row: dict[str, str], path: Path, in_package: bool, media: Path, known: Path
) -> str:
    """Link or copy a finished medium; its truth is in the row, or beside it in its package."""
    suffix = path.suffix.lower()
    target = media / (name + suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else f"{name}.bin")
    try:
        os.link(path.resolve(), target)
    except OSError:  # another file system
        shutil.copyfile(path, target)
    known_by = path.with_suffix(".rttm")
    if row["truth"]:
        known_by = locate.own(row["truth"])
    elif not in_package or not known_by.exists():
        return target.name
    unscored = read_unscored(known_by, path.stem)
    write_truth(known, name, *read_truth(known_by, path.stem), unscored=unscored)
    return target.name


if __name__ == "__main__":
    stage.run(fetch, globals().get("snakemake"))
