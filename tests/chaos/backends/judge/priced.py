"""The judge openai_audio_judge, with a server on this machine treated as a third party's.

Its calls have a price and a cost limit, and waits are short. A header names the calling process.
"""

import os

from scripts.backends.judge import openai_audio_judge
from scripts.services import addresses, client

ENV = ("api", "core", "torch")
GPU = False
ASKER = "X-Asker"
FIRST_WAIT = 0.5  # seconds


def load(
    model: str,
    address: str,
    key: str = "CHAOS_KEY",
    protocol: str = "joint",
    prompt_joint: str = "config/prompts/judge_joint.md",
):
    """Like openai_audio_judge, in both orders."""
    client.FIRST_WAIT = FIRST_WAIT
    addresses.is_own = lambda address, hosts=(): False
    addresses.check_address = lambda address, hosts, who: None
    listening = openai_audio_judge.load(
        model, address, key, protocol=protocol, prompt_joint=prompt_joint
    )
    headers = listening.service.headers
    listening.service.headers = lambda secret: headers(secret) | {ASKER: str(os.getpid())}
    return listening
