"""Extract: the sound of each medium as mono 16 kHz FLAC (paper, section 3.1).

Only the first audio stream is decoded. Container metadata is left behind, so no later step can read
a title. A medium is taken for hostile until ffmpeg has read it: playlists are refused by what they
hold, containers and protocols come from short lists, and time, memory and size are bounded.
"""

import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.common import stage
from scripts.common.audio import RATE
from scripts.common.records import Medium, Recording, read_rows, write_rows
from scripts.common.stage import UserError
from scripts.media import ffmpeg

AT_ONCE = 2  # files; one keeps not quite two cores busy
LONGEST = 6 * 3600  # seconds of one medium
LARGEST = 64 * 1024**3  # bytes of one medium
SILENCE = -70.0  # dB of full scale: a peak below this is no sound
# What is written. ffmpeg tells its length and peak as it goes: no second look at the file.
FORM = f"aformat=sample_fmts=s16:sample_rates={RATE}:channel_layouts=mono,volumedetect"
BLOCK = 4608  # samples: the largest FLAC block that every player must read, and the fastest
MISSING = 1.0  # seconds that may lack to what the container says before a note is made
# How the files begin that make a player open other files or addresses.
PLAYLISTS = re.compile(
    rb"#EXT|ffconcat|file +['\"]|\[playlist\]|\[reference\]|<\?xml|<mpd|<asx|<smil|<playlist"
    rb"|rtsptext|smtext|v=0\s|https?://",
    re.IGNORECASE,
)
# What ffmpeg tells -> what a person can do.
FAULTS = {
    "matches no streams": "it has no audio stream; give a file with sound.",
    "moov atom not found": "it is cut short, or no MP4 at all: it has no index; copy it again.",
    "not on whitelist": "its format is not one of the containers that are read; convert it first.",
    "Invalid data found": "it is damaged or no recording; see whether a player opens it.",
    "File too large": f"it is longer than {LONGEST / 3600:.0f} hours; cut it into parts.",
}


def extract(media: Path, index: Path, audio: Path, recordings: Path) -> None:
    """Decode the media that the rows of `index` (Medium) name in the folder `media`.

    Writes <id>.flac (mono, 16 kHz, 16 bit) into `audio` and one Recording a medium, in the order of
    `index`. A medium without usable sound has `file` None and the reason in `dropped`; one that
    holds less than its container says keeps what could be decoded, with a `note`. Raises OSError if
    the disk is full.
    """
    audio.mkdir(parents=True, exist_ok=True)
    rows = read_rows(index, Medium)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = pool.map(lambda row: _recording(row, media, audio), rows)
        made = list(stage.progress(jobs, len(rows), "extract"))
    for recording in made:
        if recording.dropped or recording.note:
            print(f"{recording.id}: {recording.dropped or recording.note}")
    write_rows(recordings, made)


def _recording(row: Medium, media: Path, audio: Path) -> Recording:
    file, seconds, note, dropped = None, 0.0, None, row.dropped
    try:
        if row.file:
            source, target = _within(media, row.file), _within(audio, f"{row.id}.flac")
            seconds, note = _decode(source, target)
            file = target.name
    except ffmpeg.Failed as error:
        known = [words for fault, words in FAULTS.items() if fault in error.told]
        dropped = f"no sound could be read from {row.file}: {known[0] if known else error}"
    except UserError as error:
        dropped = f"no sound could be read from {row.file}: {error}"
    return Recording(
        id=row.id, work=row.work, language=row.language, file=file, duration=seconds,
        synthetic=row.synthetic, redistribute=row.redistribute, note=note, dropped=dropped,
    )  # fmt: skip


def _decode(source: Path, target: Path) -> tuple[float, str | None]:
    """Decode `source` into `target`: its seconds, and a note if some of it is missing."""
    _refuse(source)
    half = target.with_name(f".part-{target.name}")
    arguments = [*ffmpeg.read(source), "-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1"]
    arguments += ["-map_chapters", "-1", "-t", str(LONGEST + 1), "-af", FORM]
    arguments += ["-f", "flac", "-frame_size", str(BLOCK), "-threads", "1"]
    arguments += ["-flags", "+bitexact", "-fflags", "+bitexact"]
    told = ffmpeg.run(arguments, half, timeout=3600, largest=LONGEST * RATE * 2)
    try:
        seconds, peak = _heard(told)
        if not seconds:
            raise UserError("it holds 0 seconds of sound.")
        if peak < SILENCE:
            raise UserError(f"its {seconds:.1f} s are silent.")
        if seconds > LONGEST:
            raise UserError(FAULTS["File too large"])
        half.rename(target)
    finally:
        half.unlink(missing_ok=True)
    said = _container_seconds(told)
    if said and said - seconds > MISSING:
        return seconds, f"the container says {said:.1f} s, {seconds:.1f} s could be decoded"
    return seconds, None


def _refuse(source: Path) -> None:
    """Refuse what is missing, empty, far too large or a playlist, before ffmpeg sees it."""
    if not source.is_file():
        raise UserError("the file does not exist; run the rule fetch again.")
    size = source.stat().st_size
    if not size:
        raise UserError("the file is empty (0 bytes).")
    if size > LARGEST:
        raise UserError(f"it has {size / 1024**3:.0f} GiB; cut it into parts.")
    with source.open("rb") as file:
        head = file.read(4096)
    if PLAYLISTS.match(head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")):
        raise UserError(
            "it is a playlist, which would open other files; give the recording itself."
        )


def _heard(told: str) -> tuple[float, float]:
    """Seconds of what ffmpeg wrote and its peak in dB of full scale, as volumedetect told last."""
    samples = int(re.findall(r"n_samples: (\d+)", told)[-1])
    peaks = re.findall(r"max_volume: (\S+) dB", told)
    return samples / RATE, float(peaks[-1]) if samples else -math.inf


def _container_seconds(told: str) -> float | None:
    found = re.search(r"Duration: (\d+):(\d+):(\d+\.\d+)", told)
    if not found:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _within(folder: Path, name: str) -> Path:
    """`folder`/`name`, refused if it lies elsewhere."""
    path = folder / name
    if path.parent.resolve() != folder.resolve() or path.name != name:
        raise UserError(f"'{name}' is not a file name in {folder}.")
    return path


if __name__ == "__main__":
    stage.run(extract, globals().get("snakemake"))
