"""Multiple choice in circular order: needs no judge, and a favourite letter gains nothing.

Each question is asked as often as it has answers, with the answers moved on by one place, so that
the right one has every letter once; who knows it is right each time (CircularEval of Liu et al.
2023, arXiv:2307.06281, section 4.3). `letter_in` of scripts/services/multiple_choice.py reads the
replies.
"""

from __future__ import annotations

from scripts.rows.duplex import Choice, Question, Scenario
from scripts.services.multiple_choice import LETTERS, listed

ASKED = "{question}\n{options}\nAnswer with the letter of the right answer only."


def orders(question: Question) -> list[tuple[str, str]]:
    """(text, letter of the right answer) of each order of the question's answers."""
    count = len(question.choices)
    return [
        (
            ASKED.format(
                question=question.text,
                options=listed(question.choices[-shift:] + question.choices[:-shift]),
            ),
            LETTERS[shift],
        )
        for shift in range(count)
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
