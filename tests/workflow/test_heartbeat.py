"""A job that tells nothing for half a minute is told of by its log's last line."""

from __future__ import annotations

import io
import time

import pytest

from scripts.workflow.heartbeat import QUIET, STEP, Heartbeat, beating, last_line


@pytest.fixture
def job(tmp_path, monkeypatch):
    """(function (seconds, text) -> what the screen got by then, the log): looks every STEP."""
    now, screen, log = [0.0], io.StringIO(), tmp_path / "write.log"
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    beat = Heartbeat("write", log, screen)

    def after(seconds: float, text: str = "") -> list[str]:
        with log.open("a") as file:
            file.write(text)
        for _ in range(round(seconds / STEP)):
            now[0] += STEP
            beat.look()
        return screen.getvalue().splitlines()

    return after, log


def test_a_silent_job_is_told_of_every_half_minute_at_least(job):
    after, log = job
    lines = after(120, "loading llm/openvino\n\n")
    assert lines[0] == f"write: at work for 20 s; {log} says: loading llm/openvino"
    assert len(lines) >= 120 / QUIET


def test_what_has_told_its_progress_is_not_told_of_again(job):
    after, _ = job
    assert not any(after(10, f"texts for qwen: {n} of 9, about 80 s left\n") for n in range(9))
    assert after(10) == [] and len(after(20)) == 1


def test_a_job_that_only_writes_into_its_log_is_told_of(job):
    after, _ = job
    lines = [after(10, f"warning {n}: 3 turns were cut\n") for n in range(6)][-1]
    assert len(lines) >= 2 and lines[-1].endswith("says: warning 5: 3 turns were cut")


def test_without_a_log_the_job_is_still_told_of(job, tmp_path):
    after, log = job
    assert after(20)[0].endswith("says: nothing yet")
    log.write_bytes(b"\xff" * 5000 + b"\nlast  words\n \n")
    assert last_line(log) == "last words"
    assert last_line(tmp_path / "none.log") == ""


def test_the_timer_looks_and_stops(tmp_path, monkeypatch):
    for name, value in (("QUIET", 0.0), ("STEP", 0.02)):
        monkeypatch.setattr(f"scripts.workflow.heartbeat.{name}", value)
    screen = io.StringIO()
    with beating("rate", tmp_path / "rate.log", screen):
        time.sleep(0.2)
    told = screen.getvalue()
    assert told.count("rate: at work") >= 3
    time.sleep(0.1)
    assert screen.getvalue() == told
