"""My language model: repeats the last words that it is told."""

from scripts.backends.llm import Chat, Score, Seeds

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`


class Model:
    """A parrot, whose tokens are letters."""

    name = "parrot"  # as tables call it

    def __init__(self, context: int):
        self.context = context  # the most tokens of a prompt with its reply; None: not known

    def count(self, texts: list[str]) -> list[int]:
        """How many tokens each text has."""
        return [len(text) for text in texts]

    def generate(
        self, chats: list[Chat], max_tokens: int, seed: Seeds = 0, temperature: float = 0.0
    ) -> list[str]:
        """A reply to each chat; if a chat ends with the assistant, only how it continues."""
        return [chat[-1]["content"][-max_tokens:] for chat in chats]

    def score(self, pairs: list[tuple[Chat, str]]) -> list[Score]:
        """How likely each text is after its chat. A model that cannot tell has `choose` in place of
        this method (scripts/backends/llm/__init__.py)."""
        return [Score(logprob=-float(len(text)), tokens=len(text)) for _, text in pairs]


def load(context: int = 4096) -> Model:
    """The parameters are the options in the config. Import packages and load weights here."""
    return Model(context)
