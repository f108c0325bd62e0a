"""The demo's native code on CPUs without AVX-512, emulated by QEMU.

emulated.py loads default models in emulated processes and uses each once; a package that needs more
instructions dies there of SIGILL. QEMU computes fused multiply-adds one by one, some eight million
per second, and other instructions fourteen times as fast. So it emulates a Sandy Bridge, which has
neither FMA nor AVX2 (code that is dispatched by CPU runs there), and a Haswell for what needs them.

On a CPU that itself has no AVX-512 the models are not emulated: there each backend's own tests show
it, and emulation would take minutes of the slowest machines.

Left out are dnsmos (five minutes; it uses the same onnxruntime as kokoro), qwen-1.5b and
whisper-base-words (the same code as another one), the cascades and always_talking (made of the
others; Smart Turn also is onnxruntime's).
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soxr

from scripts import backends
from scripts.common.errors import UserError
from scripts.media import locate
from scripts.setup import machine
from tests.backends import emulated
from tests.default_models import MODELS, spec_of

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = (  # the longest first; two at a time
    ("SandyBridge", ("kokoro",)),
    ("Haswell", ("qwen-0.5b", "e5", "objective")),
    (
        "SandyBridge",
        ("silero", "unseparated", "spleeter", "minilm", "whisper-base", "pocketsphinx"),
    ),
    ("SandyBridge", ("campplus", "pyannote-campplus", "resemblyzer", "silent", "echo")),
)
LEFT_OUT = {"dnsmos", "qwen-1.5b", "whisper-base-words"}
LEFT_OUT |= {"cascade-1.5b", "cascade-0.5b", "cascade-1.5b-no-role"}
LEFT_OUT |= {"cascade_duplex", "always_talking"}
# What QEMU and PyTorch say of the CPU, again and again.
NOISE = ("TCG doesn't support", "Could not initialize NNPACK")
LONGEST = 1500  # seconds for one process
SNIPPET = """
import ctypes, mmap, sys
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex(sys.argv[1]))
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
print("it ran")
"""


@pytest.fixture(scope="module")
def qemu() -> str:
    """The emulator, from Debian's package; required in CI."""
    try:
        return str(next(locate.deb("qemu-user-static").rglob("qemu-x86_64-static")))
    except (UserError, OSError) as error:
        reason = f"there is no emulator of another CPU here: {error}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def on(cpu: str, qemu: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Python on the emulated CPU; returns its output, stderr included, as one text."""
    command = [qemu, "-cpu", cpu, sys.executable, *arguments]
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            timeout=LONGEST,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            # QEMU writes the memory of who dies into the folder, gigabytes of it.
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode("utf-8", errors="replace")
        end = f"it was ended after {LONGEST} s"
        done = subprocess.CompletedProcess(command, 1, f"{said}\n{end}")
    lines = done.stdout.splitlines(keepends=True)
    done.stdout = "".join(line for line in lines if not any(noise in line for noise in NOISE))
    return done


def fate(done: subprocess.CompletedProcess) -> str:
    """A sentence about a process that did not finish: the model, the signal, and the last line of
    its output. Empty if it did."""
    if not done.returncode:
        return ""
    lines = ["no model begins", *done.stdout.splitlines()]
    name = [line for line in lines if line.endswith(" begins")][-1].removesuffix(" begins")
    code = done.returncode
    end = f"died by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"{name} {end}: {lines[-1]}"


@pytest.mark.parametrize(
    ("cpu", "code", "runs"),
    [
        ("SandyBridge", "c5f9efc0 c3", True),  # vpxor xmm0, xmm0, xmm0; ret
        ("SandyBridge", "c5fdefc0 c3", False),  # the same of ymm0: AVX2
        ("Haswell", "c5fdefc0 c3", True),
        ("Haswell", "62f17d48efc0 c3", False),  # of zmm0: AVX-512
    ],
)
def test_the_cpu_dies_of_what_it_does_not_know(qemu, tmp_path, cpu, code, runs):
    done = on(cpu, qemu, tmp_path, "-c", SNIPPET, code)
    if runs:
        assert not fate(done) and done.stdout.endswith("it ran\n")
    else:
        assert re.fullmatch(r"no model died by SIGILL: .*Illegal instruction.*", fate(done))


def speak(file: Path) -> None:
    """Two seconds of Kokoro's speech, synthesized on this machine's own CPU."""
    tts = backends.load(spec_of("kokoro"))
    line = "Good morning, my old friend. Where have you been?"
    (spoken,) = tts.speak([(line, tts.fixed_voice("English"), "English")])
    np.save(file, soxr.resample(spoken, tts.rate, emulated.RATE)[: 2 * emulated.RATE])


@pytest.mark.skipif(
    "avx512f" not in (machine.cpu_flags() or {"avx512f"}),
    reason="this CPU has no AVX-512: the backends' own tests show what the emulation would",
)
def test_every_default_model_runs_there(qemu, tmp_path):
    names = {name for _, names in PROCESSES for name in names}
    assert names | LEFT_OUT == set(MODELS)
    speak(tmp_path / "sound.npy")

    def run(process):
        script = ("-m", "tests.backends.emulated", "sound.npy")
        return on(process[0], qemu, tmp_path, *script, *process[1])

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, PROCESSES))
    print(*(one.stdout for one in done), sep="\n")
    died = "; ".join(filter(None, map(fate, done)))
    assert not died, died
    assert sum(one.stdout.count(" took ") for one in done) == len(names)
