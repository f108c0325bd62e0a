"""Extract: the sound of each medium as mono 16 kHz FLAC (paper, section 3.1).

One audio track is decoded: the one that media.tsv names, else the container's default, else the
first; if it is silent, or shorter than half the film, the next one that is not. Times are those of
the film: a late start or a gap of a track is filled with silence. If the channels cancel each other
out, the loudest is used. Sound above full scale (floats) is attenuated so that nothing clips; NaN
samples become silence.

Container metadata is discarded, so no later step can read a title (a note for people names the
tracks). Media are untrusted until ffmpeg has read them: playlists are refused by content,
containers and protocols are allow-listed, and time, memory and size are bounded.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.common.errors import UserError
from scripts.common.progress import progress
from scripts.media import ffmpeg, tracks
from scripts.media.decode import NUMBERS, Heard, decode
from scripts.rows.corpus import Medium, Recording
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow import stage

AT_ONCE = 2  # files; one keeps not quite two cores busy
LONGEST = 6 * 3600  # seconds of one medium
LARGEST = 64 * 1024**3  # bytes of one medium
SHORT = 0.5  # of the film's length: if a track is shorter, others are tried
SILENCE = -70.0  # dBFS: a peak below this is silence
MISSING = 1.0  # seconds that may be missing from the stated length without a note
HOLE = 1.0  # seconds of gaps without a note
# dB that the mono mix may be below its channels. Uncorrelated channels lose 3 to 6 dB in the mix,
# a single active one 6; only a channel and its inverse lose as much as this.
CANCELLED = 20.0
# dB above full scale that are clipped as is: lossy codecs overshoot in loud passages, lossless ones
# do not.
OVERSHOOT = 1.0
FLOATS = re.compile("pcm_f|wavpack")
HEADROOM = 0.5  # dB, for overshoot of resampling
# dB beyond which a peak is a click in damaged data, and sound is not attenuated for it: no lossy
# codec goes so far above full scale, and a thousandth of real sound comes this near its peak.
CLICK = 12.0
NEAR = -50.0
# Magic bytes of files that make a player open other files or URLs.
PLAYLISTS = re.compile(
    rb"#EXT|ffconcat|file +['\"]|\[playlist\]|\[reference\]|<\?xml|<mpd|<asx|<smil|<playlist"
    rb"|rtsptext|smtext|v=0\s|https?://",
    re.IGNORECASE,
)
# Messages of ffmpeg -> what a user can do.
FAULTS = {
    "moov atom not found": "it is cut short, or no MP4 at all: it has no index; copy it again.",
    "not on whitelist": "its format is not one of the containers that are read; convert it first.",
    "Invalid data found": "it is damaged or no recording; see whether a player opens it.",
    "Input/output error": "it is cut short, or its disk cannot be read; copy it again.",
    "File too large": f"it is longer than {LONGEST / 3600:.0f} hours; cut it into parts.",
    "Cannot allocate memory": "it needs more memory than a recording may; convert it first.",
}


def extract(media: Path, index: Path, audio: Path, recordings: Path) -> None:
    """Decode the media that the rows of `index` (Medium) name in the folder `media`.

    Writes <id>.flac (mono, 16 kHz, 16 bit) into `audio` and one Recording a medium, in the order of
    `index`. A medium without usable sound has `file` None and the reason in `dropped`. The `note`
    of others reports a decoded length below the container's, gaps, other tracks, cancelling
    channels and sound above full scale. Raises OSError if the disk is full or ffmpeg was killed.
    """
    audio.mkdir(parents=True, exist_ok=True)
    rows = read_rows(index, Medium)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = pool.map(lambda row: _recording(row, media, audio), rows)
        made = list(progress(jobs, len(rows), "extract"))
    for recording in made:
        if recording.dropped or recording.note:
            print(f"{recording.id}: {recording.dropped or recording.note}")
    write_rows(recordings, made)


def _recording(row: Medium, media: Path, audio: Path) -> Recording:
    file, seconds, note, dropped = None, 0.0, None, row.dropped
    try:
        if row.file:
            source, target = _within(media, row.file), _within(audio, f"{row.id}.flac")
            seconds, note = _decode(source, target, row.track)
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


def _decode(source: Path, target: Path, wanted: str = "") -> tuple[float, str | None]:
    """Decode a track of `source` into `target`; its length in seconds and a note."""
    _refuse(source)
    told = tracks.probe(source)
    half, other = (target.with_name(f".{part}-{target.name}") for part in ("part", "other"))
    try:
        track, heard, notes = _first_with_sound(source, told, wanted, half, other)
        if heard.seconds > LONGEST:
            raise UserError(FAULTS["File too large"])
        half.rename(target)
    finally:
        half.unlink(missing_ok=True)
        other.unlink(missing_ok=True)
    notes = [*_times(told, track, heard), *_others(told, track, wanted), *notes]
    return heard.seconds, "; ".join(notes) or None


def _first_with_sound(
    source: Path, told: tracks.Recording, wanted: str, half: Path, other: Path
) -> tuple[tracks.Track, Heard, list[str]]:
    """Decode tracks in order until one has sound for a good part of the film, or take the longest.
    Raises UserError if there is no sound at all."""
    errors: list[UserError] = []
    short: dict[float, tracks.Track] = {}
    fitting = tracks.order(told.tracks, wanted)
    for track in fitting:
        try:
            heard, notes = _levelled(source, told, track, half, other)
        except ffmpeg.Failed as error:  # e.g. an unknown codec
            errors.append(error)
            continue
        if heard.seconds and heard.peak >= SILENCE:
            if len(fitting) == 1 or heard.seconds >= SHORT * (told.seconds or 0.0):
                return track, heard, notes
            short.setdefault(heard.seconds, track)
            continue
        silent = f"its {heard.seconds:.1f} s are silent."
        errors.append(UserError(silent if heard.seconds else "it holds 0 seconds of sound."))
    if short:
        track = short[max(short)]
        return track, *_levelled(source, told, track, half, other)
    if len(errors) > 1:
        reasons = " ".join(str(error) for error in errors)
        raise UserError(f"none of its {len(errors)} audio tracks can be used: {reasons}")
    raise errors[0]


def _levelled(
    source: Path, told: tracks.Recording, track: tracks.Track, half: Path, other: Path
) -> tuple[Heard, list[str]]:
    """Decode a track, and once more if its channels cancel each other out or it is too loud."""
    heard, notes, changes = decode(source, told, track, half, LONGEST), [], []
    if heard.nans:
        notes.append("some of its samples are no numbers (NaN); they are silent")
        changes.append(NUMBERS)
        heard = decode(source, told, track, half, LONGEST, NUMBERS)
    if _cancelled(heard):
        louder = heard.peaks.index(max(heard.peaks))
        if heard.peaks[louder] <= heard.peaks[0] + 1.0:  # by no more than rounding
            louder = 0
        one = f"pan=mono|c0=c{louder}"
        alone = decode(source, told, track, other, LONGEST, ",".join([*changes, one]))
        # Unless the mix lacks only hiss above 8 kHz.
        if alone.mean >= heard.mean + CANCELLED and alone.peak >= SILENCE:
            other.replace(half)
            stereo = len(heard.peaks) == 2
            side = f"the {('left', 'right')[louder]} one" if stereo else f"number {louder + 1}"
            notes.append(f"its channels cancel each other out; {side} alone is used")
            heard = alone
            changes.append(one)
    over = max(heard.peaks, default=0.0)
    allowed = 0.0 if FLOATS.match(track.codec) else OVERSHOOT
    if over > allowed and heard.peak > -0.05:  # it clipped
        above = f"its peak is {over:.1f} dB above full scale"
        clicks = [*notes, f"{above} where it is damaged; it is cut off there"]
        if allowed and over > CLICK:
            return heard, clicks
        down = over + HEADROOM
        softer = ",".join([*changes, f"volume=-{down:.2f}dB"])
        lower = decode(source, told, track, other, LONGEST, softer)
        if lower.often < NEAR:
            return heard, clicks
        other.replace(half)
        heard = lower
        notes.append(f"{above}; it was turned down by {down:.1f} dB so that nothing is cut off")
    return heard, notes


def _cancelled(heard: Heard) -> bool:
    """Whether the mix is far below its channels: in most samples or, if these are few, in the
    loudest."""
    if len(heard.peaks) < 2 or max(heard.peaks) < SILENCE:
        return False
    # Above full scale the mix was clipped, and is lower for that reason.
    mean, peak = (min(0.0, max(levels, default=0.0)) for levels in (heard.means, heard.peaks))
    return heard.mean < mean - CANCELLED or heard.peak < peak - CANCELLED


def _times(told: tracks.Recording, track: tracks.Track, heard: Heard) -> list[str]:
    """Notes on missing sound and gaps."""
    notes, said = [], told.seconds
    # A track may end before the others: that alone does not mean a truncated file.
    if said and not heard.jumped and (told.streams == 1 or heard.cut):
        if said - heard.seconds > MISSING:
            notes.append(f"the container says {said:.1f} s, {heard.seconds:.1f} s could be decoded")
    if heard.lost:
        notes.append(f"{heard.lost} of the recordings joined in it could not be read")
    hole = heard.filled - max(track.late, 0.0)
    if hole > HOLE:
        notes.append(f"{hole:.1f} s of it hold no sound (holes in the recording); they are silent")
    return notes


def _others(told: tracks.Recording, track: tracks.Track, wanted: str) -> list[str]:
    """A note on the unused tracks."""
    if len(told.tracks) < 2:
        return []
    before = tracks.order(told.tracks, wanted)
    silent = ", ".join(str(one) for one in before[: before.index(track)])
    others = ", ".join(str(one) for one in told.tracks if one is not track)
    why = f" as there is little or no sound in {silent}" if silent else ""
    return [f"audio track {track} is used{why}; it also has {others}"]


def _refuse(source: Path) -> None:
    """Refuse a missing, empty or far too large file or a playlist before ffmpeg reads it."""
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


def _within(folder: Path, name: str) -> Path:
    """`folder`/`name`, refused if it is outside `folder`."""
    path = folder / name
    if path.parent.resolve() != folder.resolve() or path.name != name:
        raise UserError(f"'{name}' is not a file name in {folder}.")
    return path


if __name__ == "__main__":
    stage.run(extract, globals().get("snakemake"))
