"""Messages for calls to a service that end without an answer."""

from __future__ import annotations

from scripts.common.progress import span
from scripts.services import errors, waits
from scripts.services.errors import CallError

WHY = {
    "cut": "the answer was cut short at the limit of tokens",
    "refused": "the service refused",
    "unusable": "no usable answer",
}


def reason(fault: CallError, tried: int, late: float | None) -> str:
    """Why a call has no answer after `tried` attempts; `late`: the deadline, if it has passed."""
    over = "" if late is None else f", {late:g} s are over"
    times = "once" if tried == 1 else f"{tried} times"
    return f"{WHY.get(fault.kind, 'the service failed')} (asked {times}{over}): {fault.words}"


def is_refusal(reason: str | None) -> bool:
    """Whether a `reason` says that the service refused, so that asking again is of no use."""
    return (reason or "").startswith(WHY["refused"])


def down(endpoint: str, calls: int, words: str) -> str:
    """A service failed `calls` calls in a row."""
    return (
        f"{endpoint} failed {calls} calls in a row ({words}): it seems to be down. What was "
        "answered is kept; run the same command again later."
    )


def later(endpoint: str, wait: float, deadline: float, words: str) -> str:
    """A service asks for a longer wait than the deadline."""
    return (
        f"{endpoint} wants to be asked again at {waits.moment(wait)} ({words}), and a run waits "
        f"for {span(deadline)} at most (services.deadline). What was answered is kept: run "
        "the same command again then."
    )


def starved(endpoint: str, deadline: float, words: str) -> str:
    """A service returned nothing but rate-limit errors until the deadline."""
    return (
        f"{endpoint} will have answered nothing for {span(deadline)} (services.deadline) but "
        f"that it is asked too often: {words}. Lower services.limits for this model, or run the "
        "same command again later; what was answered is kept."
    )


def hopeless(service: str, endpoint: str, key: str, fault: CallError) -> str:
    """No call can succeed; `key` is the environment variable that holds the key."""
    if fault.status in (401, 403):
        hint = f"Check the key in the environment variable {key}"
    elif errors.USED_UP.search(fault.words):
        hint = f"The account whose key is in {key} has nothing left: pay, or wait"
    else:
        hint = f"Check the model's options in the config and what {key} may use"
    return (
        f"{service}: {endpoint} will not answer: {fault.words}. {hint}; what was answered is kept, "
        "so run the same command again then."
    )
