"""Multiple choice in circular order: needs no judge, and a favourite letter gains nothing.

Each question is asked as often as it has answers, with the answers moved on by one place, so that
the right one has every letter once; who knows it is right each time (CircularEval of Liu et al.
2023, arXiv:2307.06281, section 4.3). `letter_in` of scripts/services/multiple_choice.py reads
written replies; which answer a spoken one names: scripts/duplex/named_choice.py.
"""

from __future__ import annotations

from scripts.rows.duplex import Choice, Question, Scenario
from scripts.services.multiple_choice import LETTERS, listed

ASKED = "{question}\n{options}\nAnswer with the letter of the right answer only."


def circle(choices: list[str]) -> list[list[str]]:
    """The answers in as many orders as there are, each moved on by one place."""
    return [choices[-shift:] + choices[:-shift] for shift in range(len(choices))]


def orders(question: Question) -> list[tuple[str, str]]:
    """(text, letter of the right answer) of each order of the question's answers."""
    return [
        (ASKED.format(question=question.text, options=listed(order)), LETTERS[place])
        for place, order in enumerate(circle(question.choices))
    ]


def circular(scenario: Scenario) -> list[Choice]:
    """All questions of a scenario in all orders."""
    return [
        Choice(
            scenario=scenario.id,
            index=question.index,
            order=order,
            context=scenario.context,
            text=text,
            right=right,
        )
        for question in scenario.questions
        for order, (text, right) in enumerate(orders(question))
    ]
