"""My judge: finds the side better that speaks longer."""

from scripts.backends.judge import Metric, Pair, Scores, Side

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`


class Judge:
    """A point for each second."""

    integer_scores = False  # whether its scores are whole numbers

    def __init__(self, scale: float):
        self.scale = scale

    def judge(self, pairs: list[Pair], metrics: list[Metric]) -> list[list[Scores]]:
        return [[self.scores(pair, metric) for metric in metrics] for pair in pairs]

    def scores(self, pair: Pair, metric: Metric) -> Scores:
        """From 1 to 10 for each side; where there is no score, Scores(None, None, "", reason=why).
        `metric.definition` says what is to be judged, `side.audio[0].samples` is the sound."""
        return Scores(self.points(pair.test), self.points(pair.reference), "By length.")

    def points(self, side: Side) -> float:
        seconds = sum(sound.seconds for sound in side.audio)
        return min(10.0, max(1.0, self.scale * seconds))


def load(scale: float = 1.0) -> Judge:
    """The parameters are the options in the config. Import packages and load weights here."""
    return Judge(scale)
