"""Simulated speech synthesis: a tenth of a second per line."""

from tests.backends.simulation import count, tone

ENV = "core"
GPU = False


def load(threads: int = 1):
    return Synthesiser()


class Synthesiser:
    rate = 24_000
    voice_mode = "cloned"

    def voice(self, clip, text, language):
        count("voice", 1)
        return {"text": text}

    def fixed_voice(self, language):
        return {"language": language}

    def speak(self, lines):
        count("speak", len(lines))
        return [tone(self.rate, *line) for line in lines]
