"""Reading what ffmpeg reports, also where its threads write into one line; its titles stay out."""

from __future__ import annotations

import math

import pytest

from scripts.media import decode, ffmpeg, tracks
from tests.corpus.test_whole_sound import RATE, tone

TALK = """\
[info] Input #0, tta, from 'file:a.tta':
[info]   Metadata:
[info]     title           : n_samples: 7
[Parsed_volumedetect_6 @ 0x55806f332140] [info] n_samples: 0
[info] Stream mapping:
[info]   Stream #0:0 -> #0:0 (tta (native) -> pcm_s16le (native))
[info] Output #1, flac, to 'file:b.flac':
[info]   Stream #1n_samples: 32000
[Parsed_volumedetect_6 @ 0x7fa508004a80] [info] mean_volume: -21.1 dB
[info] :0: Audio: flac, 16000 Hz, mono, s16, 128 kb/s
[Parsed_volumedetect_6 @ 0x7fa508004a80] [info] max_volume: -18.1 dB
[Parsed_volumedetect_6 @ 0x7fa508004a80] [info] histogram_18db: 9440
[Parsed_astats_4 @ 0x7fa5080041c0] [info] Channel: 1
[Parsed_astats_4 @ 0x7fa5080041c0] [info] Peak level dB: -18.063656
[Parsed_astats_4 @ 0x7fa5080041c0] [info] Overall
[info]   Stream #1:0: Audio: flac, mono, s16, 128 kb/sNumber of NaNs: 0.000000
[astats@some @ 0x7fa508003b40] [info] Channel: 1
[info]     MetadataRMS level dB: -21.073826
[info] :
"""


def test_a_line_that_two_threads_wrote_counts():
    heard, samples = decode._levels(TALK)
    assert samples == 32_000 and not heard.nans
    assert (heard.mean, heard.peak, heard.often) == (-21.1, -18.1, -18.0)
    assert (heard.peaks, heard.means) == ([-18.063656], [-21.073826])


def test_no_report_is_silence():
    heard, samples = decode._levels("[info] Stream mapping:\n")
    assert samples == 0 and heard.peak == -math.inf


@pytest.mark.parametrize("kind", ["mka", "ogg", "flac"])
def test_a_title_is_no_measurement(kind, tmp_path):
    title = ["-metadata", "title=n_samples: 7", "-metadata:s:a:0", "title=max_volume: 9 dB"]
    source = tmp_path / f"a.{kind}"
    ffmpeg.run([*tone(440, 2), *title, "-c:a", "flac"], source)
    told = tracks.probe(source)
    heard = decode.decode(source, told, told.tracks[0], tmp_path / "b.flac", 10.0)
    assert heard.filled == 0.0 and heard.seconds * RATE == 32_000 and heard.peak < -10
