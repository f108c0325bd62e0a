"""Smart Turn v3.2: whether a speaker who pauses has finished, from the sound alone.

Source: https://github.com/pipecat-ai/smart-turn (BSD-2-Clause). The network is a Whisper encoder
with a classifier, quantised to 8 bits. It hears the last 8 s of the turn, with zeros before them if
there is less, and gives the probability that the turn is complete. Its features are Whisper's: the
waveform is brought to mean 0 and variance 1, then 80 log-mel bands every 10 ms.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

RATE = 16_000
SECONDS = 8


class SmartTurn:
    """The network in the folder of weights `home`."""

    def __init__(self, home: Path):
        import onnxruntime
        from faster_whisper.feature_extractor import FeatureExtractor

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(home / "smart_turn.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.bands = FeatureExtractor(chunk_length=SECONDS)

    def features(self, audio: np.ndarray) -> np.ndarray:
        """(80, 800) float32 of the last 8 s of (n,) float32 at 16 kHz."""
        whole = np.zeros(SECONDS * RATE, np.float32)
        last = audio[-len(whole) :]
        whole[len(whole) - len(last) :] = last
        whole = (whole - whole.mean()) / np.sqrt(whole.var() + 1e-7)
        return self.bands(whole, padding=0).astype(np.float32)

    def complete(self, audio: np.ndarray) -> float:
        """The probability that the turn in (n,) float32 at 16 kHz, up to its pause, is complete."""
        (found,) = self.session.run(None, {"input_features": self.features(audio)[None]})
        return float(found[0, 0])
