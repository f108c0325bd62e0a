"""The judge openai_audio_judge, asking a server of this machine as if it were somebody else's.

Its calls have a price and a limit of cost, and waits are short. A header says which process asks.
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
    """As openai_audio_judge, in both orders."""
    client.FIRST_WAIT = FIRST_WAIT
    addresses.is_own = lambda address, hosts=(): False
    addresses.check_address = lambda address, hosts, who: None
    listening = openai_audio_judge.load(
        model, address, key, protocol=protocol, prompt_joint=prompt_joint
    )
    headers = listening.service.headers
    listening.service.headers = lambda secret: headers(secret) | {ASKER: str(os.getpid())}
    return listening
