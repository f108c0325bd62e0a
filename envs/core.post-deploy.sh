# Made of scripts/setup/cpu_torch.py by `make locks`; do not edit.
python - <<'END_OF_PYTHON'
"""Lets PyPI's torchaudio and torchvision, built for CUDA, work beside a CPU build of PyTorch.

Run once after installing, by the Makefile, by `make env` and by conda (envs/NAME.post-deploy.sh,
which `make locks` makes of this file); it changes this environment only, and nothing where PyTorch
has CUDA. torchaudio falls back to Python without its library (no forced_align, a slow lfilter);
torchvision's Python refers to two operators of its own library, which are declared here, and never
called.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

MARK = "# operators of the library that does not load on the CPU"
OPERATORS = f"""{MARK}
import torch as _torch

_operators = _torch.library.Library("torchvision", "DEF")
_operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def _folders(package: str) -> list[Path]:
    """Where a package lies, if it is installed."""
    found = find_spec(package)
    return [Path(folder) for folder in found.submodule_search_locations or ()] if found else []


def main() -> None:
    import torch

    if torch.version.cuda:
        return
    for folder in _folders("torchaudio"):
        for library in (folder / "lib").glob("*.so"):
            library.unlink()
    for folder in _folders("torchvision"):
        file = folder / "_meta_registrations.py"
        text = file.read_text("utf-8")
        if MARK not in text:
            file.write_text(OPERATORS + text, "utf-8")


if __name__ == "__main__":
    main()
END_OF_PYTHON
