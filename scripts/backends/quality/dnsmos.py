"""DNSMOS P.835: speech, background and overall quality of a clip without a reference.

Reddy, Gopal, Cutler, ICASSP 2022; the model is Microsoft's sig_bak_ovr.onnx (DNS-Challenge, MIT),
as the paper uses it to keep clips with OVRL of at least 3. The scores are those of the `speechmos`
package (non-personalized), without the work that OVRL does not need: no mel spectrogram and second
model (P.808) per window, and all windows of a clip are batched.

Options: `threads`, CPU threads. Weights: `dnsmos` (`make weights`). Needs onnxruntime.
"""

from __future__ import annotations

import numpy as np

from scripts.backends.quality import QualityBackend, Ratings
from scripts.common import weights
from scripts.common.job import kept

ENV = ("core", "torch")
GPU = False

RATE = 16_000
SECONDS = 9.01  # per window; windows start a second apart
WINDOW = int(SECONDS * RATE)
BATCH = 16  # windows per batch
# Calibration of the raw outputs to the P.835 scale: a x^2 + b x + c.
CALIBRATION = {
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "bak": (-0.13166888, 1.60915514, -0.39604546),
    "ovrl": (-0.06766283, 1.11546468, 0.04602535),
}


def load(threads: int = 2) -> QualityBackend:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    model = str(weights.path("dnsmos") / "sig_bak_ovr.onnx")
    return Dnsmos(onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"]))


class Dnsmos:
    """See the contract in scripts/backends/quality/__init__.py."""

    def __init__(self, session):
        self.session = session

    def rate(self, clips: list[np.ndarray]) -> list[Ratings]:
        """Mean over each clip's windows, from about 1 to 5.

        Raises ValueError, with the clip's position, for one that is empty, not finite or outside
        [-1, 1].
        """
        found = (self._rate(checked(clip, position)) for position, clip in enumerate(clips))
        return kept(self, "rate", found)

    def _rate(self, clip: np.ndarray) -> Ratings:
        parts = windows(clip)
        raw = np.concatenate(
            [
                self.session.run(None, {"input_1": parts[i : i + BATCH]})[0]
                for i in range(0, len(parts), BATCH)
            ]
        ).astype(np.float64)
        scores = {
            name: float(np.polyval(CALIBRATION[name], raw[:, column]).mean())
            for column, name in enumerate(("sig", "bak", "ovrl"))
        }
        return Ratings(**scores)


def checked(clip: np.ndarray, position: int) -> np.ndarray:
    if not len(clip):
        raise ValueError(f"clip {position} has no samples: its quality cannot be rated.")
    peak = np.abs(clip).max()
    if not peak <= 1:
        raise ValueError(f"clip {position} peaks at {peak}: samples must lie within [-1, 1].")
    return clip.astype(np.float32, copy=False)


def windows(clip: np.ndarray) -> np.ndarray:
    """(n, 144160) windows, a second apart, of a clip of at least one sample.

    As in the reference implementation: a short clip is doubled until it fills a window; windows
    that rounding would end one sample too early (the 8th to the 24th) are omitted.
    """
    while len(clip) < WINDOW:
        clip = np.concatenate([clip, clip])
    seconds = range(max(1, len(clip) // RATE - int(SECONDS)))
    starts = [s * RATE for s in seconds if int((s + SECONDS) * RATE) - s * RATE == WINDOW]
    return np.stack([clip[i : i + WINDOW] for i in starts])
