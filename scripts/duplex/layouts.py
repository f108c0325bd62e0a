"""The layouts of other people's sets that can be read, and the answers recorded beside them."""

from __future__ import annotations

from pathlib import Path

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.duplex import fdb, humdial
from scripts.duplex.found import Found, Unusable, chunks_of, first_channel, place_of, places
from scripts.rows.duplex import TimedWord

HUMDIAL = "humdial"
LAYOUTS = (*fdb.NAMES, HUMDIAL)


def read(folder: Path, layout: str, task: str | None, key: str) -> list[Found]:
    """The items in `folder`, of one of LAYOUTS. `task`, in the layout's own words, says of which
    task they are where the names of folders do not. Their sound has not been read yet; one whose
    annotation cannot be used has a `fault`.

    Raises UserError, which begins with `key`, for an unknown layout or task, for a folder of
    another layout, and for one without items.
    """
    if layout not in LAYOUTS:
        raise UserError(f"{key}: there is no layout '{layout}'{nearest(layout, LAYOUTS)}")
    names = humdial.NAMES if layout == HUMDIAL else fdb.NAMES[layout]
    others = {name for known in fdb.NAMES.values() for name in known if layout != HUMDIAL}
    if task:
        where = place_of(folder, names, task, key)
    else:
        where = places(folder, names, others - names.keys(), key)
    if layout == HUMDIAL:
        found = list(humdial.found(where, task))
    else:
        found = list(fdb.found(where, layout))
    if not found:
        raise UserError(f"{key}: {folder} holds no item of the layout {layout}.")
    return found


def recorded(item: Found) -> tuple[Path, list[TimedWord] | None]:
    """The recorded answer of a system to an item, (its file, its words with times); None instead of
    words: there are none beside it. Raises UserError where there is no answer, or an unusable one.
    """
    try:
        first_channel(item.answer)
        words = chunks_of(item.answer_words, True) if item.answer_words.is_file() else None
    except Unusable as error:
        raise UserError(f"{error}; it should be the recorded answer to {item.id}.") from error
    return item.answer, words
