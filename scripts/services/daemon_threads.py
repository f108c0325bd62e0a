"""Daemon threads for blocking calls: none of them keeps a process from exiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class DaemonThreadPool(ThreadPoolExecutor):
    """One daemon thread for each task. Python joins an ordinary pool's threads at exit: a service
    that sends a byte a second would keep the process alive for ever."""

    def submit(self, function: Callable, /, *arguments: Any, **more: Any) -> Future:
        future: Future = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                found = function(*arguments, **more)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(found)

        threading.Thread(target=work, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Return at once."""
