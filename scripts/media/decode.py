"""Decodes one audio track to mono 16 kHz FLAC and measures its length and levels.

One ffmpeg run has two steps. The first produces mono 16 kHz samples; its filter graph is rebuilt
whenever the channels or the rate change, and each build reports its own levels. The second (-dec,
which decodes the first one's output again) has a constant format: it keeps the film's times and
fills timestamp gaps with silence. It neither removes nor stretches anything.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import soundfile

from scripts.common.audio import RATE
from scripts.media import ffmpeg, ogg, tracks

BLOCK = 4608  # samples: the largest FLAC block that every player must read, and the fastest
# Seconds. Anything shorter is no gap: timestamps are rounded, encoders start slightly before zero.
SHORTEST_HOLE = 0.1
LONGEST_HOLE = 3600  # a longer jump is a clock reset, not a gap
# Each build reports the mean level of the channels (from every eighth frame, which is enough and
# takes an eighth of the time), their peaks, then level, peak and count of the mono samples.
MONO = (
    "asplit[every][some];[some]aselect='not(mod(n,8))',"
    "astats@some=measure_perchannel=RMS_level:measure_overall=none,anullsink;"
    "[every]astats=measure_perchannel=Peak_level:measure_overall=Peak_level+Number_of_NaNs,"
    f"aformat=sample_fmts=s16:sample_rates={RATE}:channel_layouts=mono,volumedetect"
)
BARE = ("-map_metadata", "-1", "-map_chapters", "-1")  # titles stay behind
NUMBERS = "aeval='if(isnan(val(ch)),0,val(ch))':c=same"  # NaN becomes silence
# Variable 0 holds the end of the sound written so far: a clock that goes back removes nothing.
ONWARD = "asetpts='st(1,max(PTS,ld(0)));st(0,ld(1)+NB_SAMPLES);ld(1)'"
HOLES = (
    f"asetpts='st(1,if(between(PTS-ld(0),{SHORTEST_HOLE * RATE:.0f},{LONGEST_HOLE * RATE}),"
    "PTS,ld(0)));st(0,ld(1)+NB_SAMPLES);ld(1)',"
    f"aresample=async=1:first_pts=0:min_hard_comp={SHORTEST_HOLE / 2}"
)
# A measurement ends its line but need not begin it: ffmpeg's threads share stderr, and one may
# report while another is in the middle of a line. What the file says of itself comes before START.
START = "[info] Stream mapping:\n"
TOLD = re.compile(
    r"(Channel|Overall|RMS level dB|Peak level dB|Number of NaNs|n_samples|histogram_\d+db"
    r"|mean_volume|max_volume)(?:: (.*))?$",
    re.MULTILINE,
)
# ffmpeg's message if nothing was decoded.
NOTHING = "Nothing was written into output file"
# The file ends before it should, or its clock jumps.
CUT = re.compile(r"^\[in#0[^\n]*\] (?:\[error\]|\[warning\] Packet corrupt)", re.MULTILINE)
JUMP = re.compile(r"^\[[^\n]*\] \[warning\] timestamp discontinuity", re.MULTILINE)


@dataclass
class Heard:
    """The result of decoding: `seconds` written, of which `filled` are silence in gaps.

    Levels are in dBFS: `peak` and `mean` of the mono samples, the level that one sample in a
    thousand reaches (`often`), and `peaks` and `means` of each channel before mixing (a single
    value if their number changed).
    """

    seconds: float = 0.0
    filled: float = 0.0
    peak: float = -math.inf
    mean: float = -math.inf
    often: float = -math.inf
    peaks: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    nans: bool = False  # some float samples are NaN
    cut: bool = False
    jumped: bool = False
    lost: int = 0  # links of a chain that could not be read


def decode(
    source: Path, told: tracks.Recording, track: tracks.Track, target: Path, longest: float,
    change: str = "",
) -> Heard:  # fmt: skip
    """Decode `track` of `source`, up to a little over `longest` seconds, into the FLAC `target`.

    `told` holds the properties of `source`; `change` is a filter applied first. The links of a
    chained Ogg are read one by one. Raises what ffmpeg.run raises.
    """
    spans = ogg.links(source)
    if len(spans) == 1:
        offset = track.late if told.format in tracks.CLOCKED else 0.0
        opened = ["-itsoffset", f"{max(offset, 0.0):.6f}", *told.opened]
        return _one(opened, track, target, longest, change)
    raw = target.with_name(f"{target.name}.raw")
    link = target.with_name(f"{target.name}.link")
    try:
        return _chain(source, spans, track, target, longest, change, raw, link)
    finally:
        raw.unlink(missing_ok=True)
        link.unlink(missing_ok=True)


def _one(
    opened: list[str], track: tracks.Track, target: Path, longest: float, change: str
) -> Heard:
    """Decode one track of the input that the options `opened` open."""
    limit = ["-t", f"{longest + 1:.3f}"]
    filters = ",".join(part for part in (change, MONO, ONWARD) if part)
    arguments = ["-dts_delta_threshold", str(LONGEST_HOLE), *opened, "-map", f"0:{track.stream}"]
    arguments += [*limit, "-af", filters, "-c:a", "pcm_s16le", *BARE, "-f", "null", "-"]
    arguments += ["-dec", "0:0"]
    arguments += ["-filter_complex", f"[dec:0]{HOLES}[whole]", "-map", "[whole]", *limit, *_flac()]
    try:
        words = ffmpeg.run(arguments, target, timeout=3600, largest=_bytes(longest))
    except ffmpeg.Failed as error:
        if NOTHING in error.told:
            return Heard()
        raise
    heard, samples = _levels(words)
    frames = soundfile.info(target).frames
    heard.seconds, heard.filled = frames / RATE, max(0, frames - samples) / RATE
    heard.cut, heard.jumped = bool(CUT.search(words)), bool(JUMP.search(words))
    return heard


def _chain(
    source: Path, spans: list[tuple[int, int]], track: tracks.Track, target: Path,
    longest: float, change: str, raw: Path, link: Path,
) -> Heard:  # fmt: skip
    """Decode the audio track with the number of `track` in each link, and join the results."""
    whole = Heard(jumped=True)
    every: list[Heard] = []
    with raw.open("wb") as file:
        for span in spans:
            try:
                told = tracks.probe(source, span)
                same = told.tracks[track.number - 1]
                heard = _one(told.opened, same, link, longest - whole.seconds, change)
            except (ffmpeg.Failed, IndexError):
                whole.lost += 1
                continue
            if not heard.seconds:
                continue
            for block in soundfile.blocks(link, 65_536, dtype="int16"):
                file.write(block.tobytes())
            every.append(heard)
            whole.seconds += heard.seconds
            whole.filled += heard.filled
            whole.peak = max(whole.peak, heard.peak)
            whole.mean = max(whole.mean, heard.mean)
            whole.often = max(whole.often, heard.often)
            if whole.seconds > longest:
                break
    if whole.seconds:
        form = ["-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", f"file:{raw.resolve()}"]
        ffmpeg.run([*form, *_flac()], target, timeout=3600, largest=_bytes(longest))
    whole.peaks = _loudest([heard.peaks for heard in every])
    whole.means = _loudest([heard.means for heard in every])
    return whole


def _flac() -> list[str]:
    return [
        *(*BARE, "-f", "flac", "-frame_size", str(BLOCK)),
        *("-threads", "1", "-flags", "+bitexact", "-fflags", "+bitexact"),
    ]  # fmt: skip


def _bytes(longest: float) -> int:
    """An upper bound on the size in bytes of a FLAC of that length."""
    return int((longest + 2) * RATE * 2) + 65_536


def _levels(words: str) -> tuple[Heard, int]:
    """The levels that the builds of the filter graph reported (the loudest counts), and the total
    number of mono samples they produced."""
    heard, samples, often = Heard(), 0, []
    levels: dict[str, list[list[float]]] = {"RMS level dB": [[]], "Peak level dB": [[]]}
    channel = 0  # 0: the line is about all channels
    for key, value in TOLD.findall(words.rpartition(START)[2]):
        if key == "Channel":
            channel = int(value)
        elif key == "Overall":
            channel = 0
        elif key in levels and channel:
            if channel == 1:
                levels[key].append([])
            levels[key][-1].append(float(value))
        elif key == "Number of NaNs" and not channel:
            heard.nans |= float(value) > 0
        elif key == "n_samples":
            samples += int(value)
            often.append(-math.inf)
        elif key.startswith("histogram_"):  # the last line reaches a thousandth of the samples
            often[-1] = -float(re.sub(r"\D", "", key))
        elif key == "mean_volume":
            heard.mean = max(heard.mean, float(value.split()[0]))
        elif key == "max_volume":
            heard.peak = max(heard.peak, float(value.split()[0]))
    heard.often = max(often, default=-math.inf)
    heard.peaks = _loudest(levels["Peak level dB"][1:])
    heard.means = _loudest(levels["RMS level dB"][1:])
    return heard, samples


def _loudest(builds: list[list[float]]) -> list[float]:
    """The highest level of each channel; a single one for all if their number changes."""
    if len({len(build) for build in builds}) == 1:
        return [max(levels) for levels in zip(*builds, strict=True)]
    levels = [level for build in builds for level in build]
    return [max(levels)] if levels else []
