"""Reports what a job runs in: its interpreter, the installed packages, and the path of ffmpeg."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

# What each environment is for.
PACKAGES = {
    "api": ("openai", "google.genai", "dashscope", "volcengine_audio", "soundfile"),
    "core": (
        "openvino_genai",
        "torch",
        "faster_whisper",
        "kokoro_onnx",
        "pyannote.audio",
        "matplotlib",
    ),
    "cosyvoice": ("cosyvoice2_eu", "torch"),
    "personaplex": ("moshi", "torch"),
    "torch": ("torch", "transformers", "demucs", "pyannote.audio", "speechbrain", "funasr"),
    "vllm": ("vllm", "torch"),
}


def canonical(name: str) -> str:
    """A package's name as written in the locks."""
    return re.sub(r"[-_.]+", "-", name).lower()


def inside(name: str) -> dict:
    """A job's report on environment `name`."""
    modules = [importlib.import_module(package) for package in PACKAGES[name]]
    # Snakemake appends its own folders to sys.path: only what lies in the environment counts.
    here = metadata.distributions(path=[sysconfig.get_path("purelib")])
    ffmpeg = shutil.which("ffmpeg")
    return {
        "prefix": sys.prefix,
        "modules": [module.__file__ for module in modules],
        "packages": {canonical(one.name): one.version.partition("+")[0] for one in here},
        "ffmpeg": ffmpeg,
        "ffmpeg_says": ffmpeg and subprocess.check_output([ffmpeg, "-version"], text=True),
    }


if job := globals().get("snakemake"):
    Path(job.output[0]).write_text(json.dumps(inside(job.wildcards.environment)), encoding="utf-8")
