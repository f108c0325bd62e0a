"""Validation of config files and table rows, with did-you-mean suggestions."""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from scripts.common.errors import UserError
from scripts.common.paths import ROOT

SCHEMAS = ROOT / "config" / "schemas"


def check(document: Any, schema: str, where: str) -> None:
    """Check `document` against config/schemas/<schema>.schema.yaml.

    Raises UserError with one sentence: where, what is wrong, the nearest valid name (the new name
    for a key in the schema's `x-renamed`, {old name: new name}). Infinite numbers and NaN (.inf and
    .nan in YAML) are refused everywhere: no limit would hold against them.
    """
    for path, number in _endless(document):
        place = ".".join(path)
        raise UserError(f"{where}: {place}: {number} is not a finite number; write one that is.")
    errors = sorted(_validator(schema).iter_errors(document), key=lambda e: [*map(str, e.path)])
    if not errors:
        return
    error, meant = errors[0], ""
    while error.validator == "oneOf" and error.context:
        meant = error.schema.get("description", meant)
        error = max(error.context, key=lambda e: (len(e.path), e.validator != "type"))
    if error.validator == "pattern":
        meant = error.schema.get("description", "")
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = sorted(map(str, set(error.instance) - set(known)))[0]
        key = f"{place}.{unknown}" if place else unknown
        if unknown in (renamed := error.schema.get("x-renamed", {})):
            raise UserError(f"{where}: the key '{key}' is called '{renamed[unknown]}' now.")
        raise UserError(f"{where}: unknown key '{key}'{nearest(unknown, known)}")
    meant = f"; it is {meant}." if meant else ""
    raise UserError(f"{where}: {place or 'the document'}: {error.message}{meant}")


def columns(names: list[str], schema: str, where: str, separator: str = "one tab") -> None:
    """Check the names of a table's columns; checks of rows would miss those of an empty table.

    Raises UserError for an empty, duplicate, unknown or missing name.
    """
    rules: Any = _validator(schema).schema
    for name in names:
        if not name:
            raise UserError(f"{where}: a column has no name; the first line names them all.")
        if names.count(name) > 1:
            raise UserError(f"{where}: the column '{name}' is there twice; remove one.")
        if name not in rules["properties"]:
            meant = nearest(name, rules["properties"])
            tabs = f" Columns are separated by {separator}." if len(names) == 1 else ""
            raise UserError(f"{where}: unknown column '{name}'{meant}{tabs}")
    for name in rules["required"]:
        if name not in names:
            raise UserError(f"{where}: the column '{name}' is missing.")


def trailing(schema: str) -> list[str]:
    """The columns whose cells may stand at the end of a line though the header lacks them: the
    schema's `x-trailing`."""
    rules: Any = _validator(schema).schema
    return rules.get("x-trailing", [])


def _endless(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """The numbers in a document that are not finite, with their paths."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield from _endless(inside, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, inside in enumerate(value):
            yield from _endless(inside, (*path, str(number)))


@functools.cache
def _validator(schema: str) -> Draft202012Validator:
    text = (SCHEMAS / f"{schema}.schema.yaml").read_text("utf-8")
    return Draft202012Validator(yaml.safe_load(text))


def refuse_unknown(names: Iterable[str], valid: Iterable[str], where: str) -> None:
    """Raises UserError for the first name of the config's key `where` that is not valid."""
    known = sorted(valid)
    for name in names:
        if name not in known:
            raise UserError(f"{where}: there is no '{name}'{nearest(name, known)}")


def nearest(name: str, valid: Any) -> str:
    """The end of an error sentence: the nearest valid name if there is one, else all of them."""
    names = sorted(str(item) for item in valid)
    close = near(name, names)
    return f"; did you mean '{close}'?" if close else f"; valid are: {', '.join(names)}."


def near(name: str, names: Iterable[str]) -> str | None:
    """The name closest to `name`, ignoring case; None if none is close."""
    by_folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None
