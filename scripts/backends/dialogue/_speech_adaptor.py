"""LLaMA-Omni's speech adaptor: some frames of the speech encoder become one input of the model."""

from __future__ import annotations

from torch import nn

HIDDEN = 2048  # in no config: the published adaptor's inner width


class SpeechAdaptor(nn.Module):
    """Puts `stack` frames that follow one another into one vector, and maps it to `width`."""

    def __init__(self, frame_width: int, stack: int, width: int):
        super().__init__()
        self.stack = stack
        self.linear1 = nn.Linear(frame_width * stack, HIDDEN)
        self.linear2 = nn.Linear(HIDDEN, width)

    def forward(self, frames):
        """(batch, time, frame_width) -> (batch, time // stack, width); the rest is left out."""
        batch, time, _ = frames.shape
        whole = time - time % self.stack
        stacked = frames[:, :whole].reshape(batch, whole // self.stack, -1)
        return self.linear2(self.linear1(stacked).relu())
