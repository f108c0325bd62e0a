"""Ctrl-C in one line: Snakemake would report every job that it stops as failed.

Imported by the Snakefile and by every job: light imports only.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType

STOPPED = "stopped; the same command goes on"

_stopped = threading.Event()


def stopped() -> bool:
    """Whether a person has stopped this process."""
    return _stopped.is_set()


def be_quiet(logger: logging.Logger) -> None:
    """From now on, Ctrl-C prints one line to standard error, and nothing more comes from `logger`.

    A second Ctrl-C does what Python does. Nothing changes where Ctrl-C is ignored already.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _stopped.set()
        logger.addFilter(lambda record: False)
        os.write(2, f"{STOPPED}\n".encode())  # print could be interrupted in the middle of a print
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, stop)
