"""Devices for networks, and batching."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from scripts.common.errors import UserError, out_of_memory
from scripts.common.progress import progress
from scripts.common.weights import loading, path

Item = TypeVar("Item")


def pick(device: str, who: str) -> str:
    """`device` ("cuda", "cuda:1" or "cpu") if this machine has it; `who` is named in errors.

    Call it before loading anything. Raises UserError for a GPU on a machine without one and for an
    unknown device.
    """
    if device == "cpu":
        return device
    if device.partition(":")[0] != "cuda":
        raise UserError(f"{who}: there is no device '{device}'; say cuda, cuda:1 or cpu.")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise UserError(
            f"{who} is to run on a GPU and this machine has none; run it where one is, or set "
            "`device: cpu` for this model in the config."
        )
    if int(device.partition(":")[2] or 0) >= count:
        raise UserError(f"{who}: {device} is not there; this machine has {count} GPU(s).")
    return device


@contextmanager
def opened(who: str, weights: str, device: str) -> Iterator[Path]:
    """The folder of a model that is loaded onto `device` (see `pick`) while this lasts; whatever
    goes wrong with that becomes one UserError (see `loading`)."""
    pick(device, who)
    home = path(weights)
    with loading(who, home):
        yield home


def in_batches(
    work: Callable[[list[Item]], Any],  # a sequence or array of results
    items: Sequence[Item],
    size: int,
    length: Callable[[Item], int],
    label: str,
    made: Callable[[int, Any], None] = lambda place, result: None,
) -> list[Any]:
    """The result of `work` for each item, in the order of `items`; after each batch `made` gets the
    places and results of its items.

    Batches of at most `size` items go to `work` longest first, so that they hold little padding and
    memory runs out early if at all. If it does, the batch size is halved for good; raises UserError
    if a single item is too large.
    """
    order = sorted(range(len(items)), key=lambda i: (-length(items[i]), i))
    results: list[Any] = [None] * len(items)
    size, done = max(1, size), 0
    told = progress(range(len(items)), len(items), label)
    while done < len(order):
        chosen = order[done : done + size]
        try:
            found = work([items[i] for i in chosen])
        except Exception as error:
            if not out_of_memory(error):
                raise
            if len(chosen) == 1:
                raise UserError(
                    f"{label}: memory ran out on a single item of length "
                    f"{length(items[chosen[0]])}; use a smaller model or a larger device."
                ) from error
            size = len(chosen) // 2
            free()
            print(f"{label}: memory ran out; going on with {size} at a time")
            continue
        if len(found) != len(chosen):
            raise ValueError(f"{label}: {len(found)} results for {len(chosen)} items")
        for i, result, _ in zip(chosen, found, told, strict=False):
            results[i] = result
            made(i, result)
        done += len(chosen)
    return results


def in_batches_of_pieces(
    work: Callable[[list[Item]], Any],
    items: Sequence[Sequence[Item]],
    size: int,
    length: Callable[[Item], int],
    label: str,
    made: Callable[[int, list], None],
) -> list[list[Any]]:
    """As `in_batches`, of items that consist of pieces: the results of the pieces of each item.
    `made` gets the places and results of items whose last piece is there."""
    whose = [(i, n) for i, pieces in enumerate(items) for n in range(len(pieces))]
    results: list[list[Any]] = [[None] * len(pieces) for pieces in items]
    left = list(map(len, items))

    def gather(place: int, result: Any) -> None:
        i, n = whose[place]
        results[i][n] = result
        left[i] -= 1
        if not left[i]:
            made(i, results[i])

    in_batches(work, [items[i][n] for i, n in whose], size, length, label, gather)
    return results


def free() -> None:
    """Release the GPU memory that PyTorch caches."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
