"""An item in which something overlaps the agent, and its clean counterpart without that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scripts.duplex.hear import Track
from scripts.duplex.spans import Gap
from scripts.rows.duplex import DuplexItem


def together(items: Sequence[DuplexItem], size: int) -> list[list[DuplexItem]]:
    """The items in batches of `size` or one more, each item in that of its clean counterpart."""
    known = {item.id: item for item in items}
    counterparts = {item.clean for item in items}
    found: list[list[DuplexItem]] = []
    for item in items:
        if item.id in counterparts:
            continue
        if not found or len(found[-1]) >= size:
            found.append([])
        found[-1].append(item)
        if item.clean in known:
            found[-1].append(known[item.clean])
    return found


def counterpart(ident: str, tracks: Mapping[str, Track | str]) -> Track:
    """The agent's side of a clean counterpart. Raises Gap if there is none."""
    found = tracks.get(ident, "it was dropped")
    if isinstance(found, str):
        raise Gap(f"the clean counterpart: {found}")
    return found
