"""The service client versus the ideal rate, an SDK's serial loop and a killed run.

`python -m benchmarks.services` takes a minute. A local server, in its own process, answers like
Gemini after LATENCY seconds; 32 calls are in flight, each with two clips of 480 KB. The judge
is the real backend judge/gemini.

    calls a second             versus the ideal, 32 / LATENCY, and versus google-genai's client with
                               one call at a time
    CPU of a call (ms)         of this whole process; versus google-genai
    answers re-read (s)        25,088 stored answers become the score files of 8 systems; versus
                               requesting them from a server that answers at once
    calls of a killed run      versus an undisturbed one; the files of both are compared
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from benchmarks.figures import Figure, show
from scripts.backends.judge import Pair, Side, Sound, read_metrics
from scripts.common import audio
from scripts.common.job import Job, entered
from scripts.common.paths import ROOT
from scripts.judging.judge import judge
from scripts.rows.dialogues import Dialogue, Exchange, Spoken, SpokenTurn
from scripts.rows.jsonl import write_rows
from scripts.rows.roles import Profile, Voice
from scripts.rows.systems import Reply, ReplyTurn
from scripts.workflow.model_spec import ModelSpec

LATENCY, TOGETHER = 1.0, 32
PAIRS = 40  # times eight metrics: ten rounds of 32 calls
SECONDS = 15  # length of a clip: 480 KB
SYSTEMS, ITEMS = 8, 392  # times eight metrics: 25,088 answers
METRICS = ROOT / "config/metrics.tsv"
REPLY = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "A is livelier.\n[Scores]: (8, 6)"}]},
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 2000, "candidatesTokenCount": 20},
    "modelVersion": "gemini-2.5-pro",
}


def figures() -> Iterator[Figure]:
    """All figures. Each part runs in its own folder: the store is in the working directory."""
    with tempfile.TemporaryDirectory() as folder:
        for work in (speed, reread, killed):
            home = Path(folder, work.__name__)
            home.mkdir()
            with contextlib.chdir(home):
                yield from work()


def speed() -> Iterator[Figure]:
    """The client with many calls, and the SDK with a few."""
    with Server(LATENCY) as server, asking():
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, SECONDS * audio.RATE)
        pairs = [pair(n, np.roll(sound, n).astype(np.float32)) for n in range(PAIRS)]
        calls = PAIRS * 8
        model = loaded(server)
        first = pair(PAIRS, sound.astype(np.float32))
        with unheard():
            model.judge([first], read_metrics(METRICS))  # imports the SDK
            cpu, begun = time.process_time(), time.perf_counter()
            scores = model.judge(pairs, read_metrics(METRICS))
        taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
        assert all(score.test == 8 for row in scores for score in row)
        each, burnt = serially(server, sound.astype(np.float32), 6)
        rate, ideal = calls / taken, TOGETHER / LATENCY
        yield Figure("calls a second, the ideal", rate, ideal, "ratio >= 0.93")
        yield Figure("calls a second, google-genai in a row", rate, 1 / each, "ratio >= 29")
        ms = cpu / calls * 1000
        yield Figure("CPU of a call (ms), google-genai", ms, burnt * 1000, "ours <= 2")


def serially(server: Server, sound: np.ndarray, calls: int) -> tuple[float, float]:
    """Wall and CPU seconds per call if the SDK makes one call at a time."""
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=server.address)
    client = genai.Client(api_key="none", http_options=options)
    wav = Sound(sound).wav()
    client.models.generate_content(model="gemini-2.5-pro", contents=["Are you there?"])
    cpu, begun = time.process_time(), time.perf_counter()
    for _ in range(calls):
        parts = [types.Part.from_bytes(data=wav, mime_type="audio/wav") for _ in range(2)]
        client.models.generate_content(model="gemini-2.5-pro", contents=["Judge these.", *parts])
    return (time.perf_counter() - begun) / calls, (time.process_time() - cpu) / calls


def reread() -> Iterator[Figure]:
    """The stored answers for the paper's whole test set become score files."""
    with Server(0.0) as server, asking():
        inputs = material(Path(), ITEMS)
        begun = time.perf_counter()
        for number in range(SYSTEMS):
            scored(inputs, server, f"system-{number}")
        bought, asked = time.perf_counter() - begun, server.count()
        begun = time.perf_counter()
        for number in range(SYSTEMS):
            scored(inputs, server, f"system-{number}")
        taken = time.perf_counter() - begun
        assert server.count() == asked == SYSTEMS * ITEMS * 8
        yield Figure(f"{asked} answers re-read (s), asked for", taken, bought, "ours <= 5")


def killed() -> Iterator[Figure]:
    """kill -9 in mid-run, then the rest, versus an undisturbed run."""
    with Server(0.02) as server:
        material(Path(), ITEMS)
        program = [sys.executable, "-m", "benchmarks.services", "score", server.address]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        files, counts = [], []
        for disturbed in (False, True):
            shutil.rmtree("cache", ignore_errors=True)
            before = server.count()
            if disturbed:
                process = subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL)
                goal = before + random.Random(0).randint(500, ITEMS * 8 - 500)
                while server.count() < goal:
                    time.sleep(0.02)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            subprocess.run(program, env=environment, stdout=subprocess.DEVNULL, check=True)
            counts.append(server.count() - before)
            files.append(Path("system.jsonl").read_bytes())
        yield Figure("calls of a killed run, undisturbed", counts[1], counts[0], "ratio <= 1.02")
        same = files[0] == files[1]
        yield Figure("its file is the same, byte for byte", float(same), target="ours == 1")


# --- material


def asking() -> AbstractContextManager[None]:
    """A job whose limits allow all calls at once."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    config["services"]["limits"]["default"]["at_once"] = TOGETHER
    return entered(Job(config=config))


def loaded(server: Server):
    from scripts.backends.judge import gemini

    return gemini.load(address=server.address, order="paper")


def pair(number: int, sound: np.ndarray) -> Pair:
    """A test dialogue of one turn; every pair has different audio."""
    both = [Side((Sound(clip),), ("Yes.",)) for clip in (sound, sound[::-1])]
    return Pair(
        id=f"item-{number}",
        language="English",
        name="Joe",
        work="A game",
        profile="A pilot who is always broke. " * 20,
        lines=("No plane, no pay.",),
        clips=(),
        questions=("What happened to your plane?",),
        test=both[0],
        reference=both[1],
    )


def material(folder: Path, items: int) -> dict[str, Path]:
    """The inputs of the stage `judge`, as files: one second of speech per side."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, audio.RATE).astype(np.float32)
    for number in range(items):
        audio.write(folder / f"{number}.flac", np.roll(sound, number))
    dialogues = [
        Dialogue(
            id=f"{number:04}",
            role="joe",
            mode="single",
            language="English",
            pool="train",
            turns=[Exchange(user=f"What about {number}?", role="Nothing.")],
            context="",
            model="none",
            idx=1,
        )
        for number in range(items)
    ]
    turn = {"heard": None, "text": "Yes.", "seconds": 1.0}
    write_rows(folder / "test.jsonl", dialogues)
    write_rows(
        folder / "replies.jsonl",
        [
            Reply(
                id=row.id,
                system="system",
                role=row.role,
                mode=row.mode,
                language=row.language,
                turns=[ReplyTurn(audio=f"{number}.flac", **turn)],
                voice_mode="own",
            )
            for number, row in enumerate(dialogues)
        ],
    )
    write_rows(
        folder / "spoken.jsonl",
        [
            Spoken(
                id=row.id,
                role=row.role,
                language=row.language,
                turns=[
                    SpokenTurn(
                        user_audio="none",
                        user_seconds=1,
                        role_audio=f"{items - 1 - number}.flac",
                        role_seconds=1,
                    )
                ],
                sample_rate=16_000,
                voice="none",
                voice_mode="matched",
                flags=[],
            )
            for number, row in enumerate(dialogues)
        ],
    )
    about = {"role": "joe", "language": "English", "synthetic": True, "flags": []}
    profile = {"name": "Joe", "work": "A game", "gender": "Male", "pool": "train"}
    profile |= {
        "profile": "A pilot who is always broke. " * 20,
        "background": "",
        "origin": "files",
    }
    write_rows(folder / "profiles.jsonl", [Profile(**about, **profile, lines=[], excerpts=[])])
    clip = {"segment": "s", "media": "m", "file": "0.flac", "start": 0, "end": 1, "text": "No."}
    clip |= {"similarity": None, "clips": 1, "others": [], "redistribute": True}
    write_rows(folder / "voices.jsonl", [Voice(**about, **clip)])
    rows = ("replies", "test", "spoken", "profiles", "voices")
    return {name: folder / f"{name}.jsonl" for name in rows}


def scored(inputs: dict[str, Path], server: Server, system: str) -> None:
    """Run the stage `judge` on the material as if `system` had produced the replies. Systems differ
    in a seed of the request, so that no answers are shared."""
    number = int(system.rpartition("-")[2]) if "-" in system else 0
    options = {"address": server.address, "order": "paper", "temperature": number / 10}
    with unheard():
        judge(
            **inputs,
            answers=Path(),
            speech=Path(),
            clips=Path(),
            metrics=METRICS,
            verdicts=Path(f"{system}.jsonl"),
            name="gemini",
            judge=ModelSpec("judge", "gemini", options),
        )


def unheard() -> contextlib.AbstractContextManager:
    """Suppresses the client's log output, so that only figures are printed."""
    return contextlib.redirect_stdout(io.StringIO())


# --- the server


@dataclass
class Server:
    """A server in its own process."""

    latency: float

    def __enter__(self) -> Server:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.services", "serve", str(self.latency)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.address = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()

    def count(self) -> int:
        """The number of calls received."""
        with urllib.request.urlopen(f"{self.address}/count") as answer:
            return json.load(answer)


async def serve(latency: float) -> None:
    """Answer every POST after `latency` seconds; print the address first."""
    from aiohttp import web

    count = 0

    async def post(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        await request.read()
        await asyncio.sleep(latency)
        return web.json_response(REPLY)

    async def told(request: web.Request) -> web.Response:
        return web.json_response(count)

    app = web.Application(client_max_size=0)
    app.router.add_get("/count", told)
    app.router.add_post("/{path:.*}", post)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(float(sys.argv[2])))
    elif sys.argv[1:2] == ["score"]:
        rows = ("replies", "test", "spoken", "profiles", "voices")
        address = Server(0.0)
        address.address = sys.argv[2]
        with asking():
            scored({name: Path(f"{name}.jsonl") for name in rows}, address, "system")
    else:
        sys.exit(show(figures()))
