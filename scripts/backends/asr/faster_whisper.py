"""Whisper by CTranslate2, int8 on the CPU (default weights: Whisper base).

Source: https://github.com/SYSTRAN/faster-whisper (MIT); weights by OpenAI (MIT).
Needs faster-whisper; weights by `make weights`.
"""

from __future__ import annotations

import numpy as np

ENV = "core"
GPU = False
CODES = {"English": "en", "Chinese": "zh"}
# Whisper writes simplified characters when what came before is in them.
SIMPLIFIED = "以下是普通话的句子。"


def load(weights: str, threads: int = 2, beam: int = 5):
    """Load weights/<weights>/; `beam` hypotheses are kept, on `threads` threads."""
    from faster_whisper import WhisperModel

    from scripts.common.weights import path

    model = WhisperModel(str(path(weights)), device="cpu", compute_type="int8", cpu_threads=threads)
    return FasterWhisper(model, beam)


class FasterWhisper:
    def __init__(self, model, beam: int):
        self.model, self.beam = model, beam

    def transcribe(
        self, clips: list[np.ndarray], language: str | None = None
    ) -> list[dict[str, str]]:
        """Each clip on its own: (n,) float32 at 16 kHz -> {"text", "language"}."""
        return [self._one(clip, CODES[language] if language else None) for clip in clips]

    def _one(self, clip: np.ndarray, code: str | None) -> dict[str, str]:
        if not np.abs(clip).max(initial=0.0) > 1e-4:
            found = {"en": "English", "zh": "Chinese"}.get(code or "en")
            return {"text": "", "language": found}
        segments, info = self.model.transcribe(
            clip,
            language=code,
            beam_size=self.beam,
            condition_on_previous_text=False,
            initial_prompt=SIMPLIFIED if code == "zh" else None,
            without_timestamps=True,
        )
        text = "".join(segment.text for segment in segments).strip()
        return {"text": text, "language": "Chinese" if info.language == "zh" else "English"}
