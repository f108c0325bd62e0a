"""Simulated judge: scores each metric in both orders at random, with a rationale."""

from scripts.backends.judge import Scores
from scripts.rows.judging import Trial
from tests.backends.simulation import count, draw

ENV = "core"
GPU = False

ORDERS = ("test first", "reference first")
WHY = "Reply A keeps the character's manner and answers what was asked, reply B is flatter. " * 5


def load(threads: int = 1):
    return Judge()


class Judge:
    integer_scores = False  # a score is the mean of two orders

    def judge(self, pairs, metrics):
        count("judge", len(pairs) * len(metrics) * len(ORDERS))
        return [[self.scores(pair, metric) for metric in metrics] for pair in pairs]

    def scores(self, pair, metric):
        lots = [draw(pair.id, pair.test.text, metric.id, order) for order in ORDERS]
        trials = tuple(
            Trial(order=order, sample=0, test=1 + lot % 10, reference=1 + lot // 10 % 10)
            for order, lot in zip(ORDERS, lots, strict=True)
        )
        test, reference = (
            sum(getattr(trial, side) for trial in trials) / len(trials)
            for side in ("test", "reference")
        )
        return Scores(test, reference, WHY, trials=trials, version="simulated")
