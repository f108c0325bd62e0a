"""ffmpeg's limits: output size, memory, and what it may open."""

from __future__ import annotations

import json
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts.media import ffmpeg

TONE = ["-f", "lavfi", "-i", "sine=duration=10"]
# Stands in for ffmpeg: waits until it has its limits, and tells them and its arguments.
TELLS = f"""#!{sys.executable}
import json, resource, sys, time
time.sleep(1)
limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_AS)]
print(json.dumps([*limits, sys.argv[1:]]), file=sys.stderr)
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """The limits and arguments with which `run` starts ffmpeg for some options."""
    (tmp_path / "ffmpeg").write_text(TELLS)
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setattr(ffmpeg.imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(tmp_path / "ffmpeg"))

    def run(arguments, **options):
        return json.loads(ffmpeg.run(arguments, tmp_path / "out.wav", **options))

    return run


@pytest.fixture
def wav(tmp_path):
    ffmpeg.run(TONE, tmp_path / "tone.wav")
    return tmp_path / "tone.wav"


def test_its_limits_are_set_before_it_works(told, tmp_path):
    file, memory, arguments = told(ffmpeg.read(tmp_path / "a.mp4"), largest=12_345)
    assert file == [12_345, 12_345]
    assert memory == [ffmpeg.MEMORY, ffmpeg.MEMORY] and ffmpeg.MEMORY == 4 * 1024**3
    at = arguments.index("-protocol_whitelist")
    assert arguments[at + 1] == "file,pipe,subfile" and at < arguments.index("-i")
    assert "-nostdin" in arguments
    assert arguments[arguments.index("-format_whitelist") + 1] == ffmpeg.CONTAINERS


def test_no_list_of_other_files_is_among_the_containers():
    assert not {"hls", "dash", "concat", "applehttp", "sdp", "rtsp", "lavfi", "image2"} & set(
        ffmpeg.CONTAINERS.split(",")
    )


def test_an_output_has_no_more_than_its_bytes(tmp_path):
    ffmpeg.run(TONE, tmp_path / "out.wav", largest=1_000_000)
    longer = ["-f", "lavfi", "-i", "sine=duration=1000"]  # 88 MB: its limit comes in time
    with pytest.raises(ffmpeg.Failed):
        ffmpeg.run(longer, tmp_path / "out.wav", largest=1_000_000)
    assert not (tmp_path / "out.wav").exists()


def test_memory_ends(wav, tmp_path, monkeypatch):
    ffmpeg.run(ffmpeg.read(wav), tmp_path / "out.wav")
    monkeypatch.setattr(ffmpeg, "MEMORY", 30 * 1024**2)
    with pytest.raises(ffmpeg.UserError):
        ffmpeg.run(ffmpeg.read(wav), tmp_path / "out.wav")
    assert not (tmp_path / "out.wav").exists()


def test_no_server_is_asked(wav, tmp_path):
    asked = []

    class Server(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/{wav.name}"
    try:
        for options in (["-i", address], ["-f", "wav", "-i", f"cache:{address}"]):
            with pytest.raises(ffmpeg.Failed):
                ffmpeg.run(options, tmp_path / "out.wav")
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_protocols_that_read_other_files_are_refused(wav, tmp_path):
    for address in (f"concat:{wav}|{wav}", f"crypto:{wav}", f"async:{wav}", f"cache:{wav}"):
        with pytest.raises(ffmpeg.Failed) as caught:
            ffmpeg.run(["-i", address], tmp_path / "out.wav")
        assert "not on whitelist" in caught.value.told
    ffmpeg.run(["-i", f"file:{wav}"], tmp_path / "out.wav")


def test_a_list_that_ffmpeg_would_follow_is_refused(wav, tmp_path):
    """Without the list of formats the first `look` succeeds: the list names a file beside it."""
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {wav.name}\n")
    assert "Duration" in ffmpeg.look(["-i", str(tmp_path / "list.mp4")])
    with pytest.raises(ffmpeg.Failed):
        ffmpeg.look(ffmpeg.read(tmp_path / "list.mp4"))
    with pytest.raises(ffmpeg.Failed):
        ffmpeg.run(ffmpeg.read(tmp_path / "list.mp4"), tmp_path / "out.wav")


def test_an_odd_name_is_never_an_address(wav, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-y.wav", "concat:a|b.wav", "http:a.wav", "%03d.wav"):
        (tmp_path / name).write_bytes(wav.read_bytes())
        assert "Duration: 00:00:10" in ffmpeg.look(ffmpeg.read(Path(name)))
