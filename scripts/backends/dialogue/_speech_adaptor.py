"""LLaMA-Omni's speech adaptor: stacks frames of the speech encoder into inputs of the model."""

from __future__ import annotations

from torch import nn

HIDDEN = 2048  # hidden width of the published adaptor; no config has it


class SpeechAdaptor(nn.Module):
    """Concatenates `stack` consecutive frames and projects them to `width`."""

    def __init__(self, frame_width: int, stack: int, width: int):
        super().__init__()
        self.stack = stack
        self.linear1 = nn.Linear(frame_width * stack, HIDDEN)
        self.linear2 = nn.Linear(HIDDEN, width)

    def forward(self, frames):
        """(batch, time, frame_width) -> (batch, time // stack, width); the rest is dropped."""
        batch, time, _ = frames.shape
        whole = time - time % self.stack
        stacked = frames[:, :whole].reshape(batch, whole // self.stack, -1)
        return self.linear2(self.linear1(stacked).relu())
