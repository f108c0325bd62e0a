"""A cache of model results, item by item, so that a job that runs again repeats no work.

To Snakemake a job is done or not: a killed job starts over, and one new role reruns every job
downstream of the profiles. So inside a job a `CachedModel` stands in for each model. It answers
from the job's own files below `kept` (config) and loads the model only for items that are missing;
if there are none, the model is never loaded. Results are written when a call returns, or as soon as
the model says that it has them (`made` of scripts/common/job.py).

The cache key covers the item, the other arguments, the model's spec, its backend's code and its
weights. The files lie outside the rules' outputs and may be deleted at any time; each process
appends to two of its own. A database would be less code, but the jobs of a cluster share a folder
whose file system may not lock, and two writers (one a job that outlived its run) must do no harm.

Answers of services have their own store (scripts/services/client.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from scripts.common.audio import Sound
from scripts.common.errors import UserError
from scripts.common.job import current, entered, uncached
from scripts.common.weights import RECEIPT, path
from scripts.workflow import code_digest, specs
from scripts.workflow.cache_files import CacheFiles
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.requirements import needed
from scripts.workflow.serialization import cache_key, deserialize, serialize

VOICES = (
    "voice",
    "fixed_voice",
)  # a synthesiser speaks only with voices that it made in this process


class CachedModel:
    """Stands in for the model of `spec`, loaded by `load`, with its capability's contract."""

    def __init__(
        self,
        spec: ModelSpec,
        load: Callable[[], Any],
        contract: ModuleType,
        cache: CacheFiles,
    ):
        self._load, self._contract, self._cache = load, contract, cache
        self._label = spec.label
        self._sound = getattr(self._contract, "SOUND", False)
        self._key = model_key(spec)
        self._model: Any = None
        self._voices: dict[str, tuple[str, tuple, Any]] = {}  # voices from an earlier process

    def __getattr__(self, name: str) -> Any:
        """A method or an attribute of the contract."""
        if name.startswith("_"):
            raise AttributeError(name)
        together = self._contract.KEPT.get(name)
        key = cache_key(self._key, "has" if together else "says", name)
        known = self._cache.get(key)
        if known is None:
            found = getattr(self._real(), name, None) if together else getattr(self._real(), name)
            value = found is not None if together else found
            try:
                known = serialize(value)
            except TypeError:  # a value that only a loaded model has
                return value
            self._cache.put([(key, *known)])
        value = deserialize(*known, self._contract)
        if not together:
            return value
        if not value:
            raise AttributeError(f"{self._label} has no {name}")
        return lambda *arguments, **named: self._ask(name, together, arguments, named)

    def _ask(self, name: str, together: int, arguments: tuple, named: dict) -> Any:
        """The method's result for each item: a list (rows of an array for arrays), or one value for
        a method of one item. A list among the named arguments has one value for each item."""
        items, *rest = arguments
        alone = not isinstance(items, list | tuple)
        items = [items] if alone else items
        each = [_of_item(named, place) for place in range(len(items))]
        keys = [
            cache_key(self._key, name, rest, own, item)
            for own, item in zip(each, items, strict=True)
        ]
        found = {key: self._cache.get(key) for key in dict.fromkeys(keys)}
        asked = zip(keys, zip(items, each, strict=True), strict=True)
        left = {key: own for key, own in asked if found.get(key) is None}
        results = {
            key: deserialize(*kept, self._contract)
            for key, kept in found.items()
            if kept is not None
        }
        if left and name not in VOICES:
            there = f"{len(items) - len(left)} found in cache"
            print(f"{self._label}.{name}: {len(items)} items, {there}")
        waiting = list(left)
        for first in range(0, len(waiting), together):
            some = waiting[first : first + together]
            theirs, own = zip(*(left[key] for key in some), strict=True)
            together_named = {
                key: [of[key] for of in own] if isinstance(value, list) else value
                for key, value in named.items()
            }
            results |= self._made(name, some, list(theirs), rest, together_named, alone)
        values = [results[key] for key in keys]
        if name in VOICES and not left:
            self._voices[keys[0]] = (name, arguments, values[0])
        if alone:
            return values[0]
        rows = values and isinstance(values[0], np.ndarray) and not self._sound
        return np.stack(values) if rows else values

    def _kept(self, made: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        """The values by their keys, as the cache has them from now on."""
        results, keeping = {}, []
        for key, value in made:
            results[key] = value
            if not getattr(value, "reason", None):  # a failure may succeed next time
                packed = serialize(value, self._sound)
                keeping.append((key, *packed))
                results[key] = deserialize(*packed, self._contract)
        self._cache.put(keeping)
        return results

    def _made(
        self, name: str, keys: list[str], items: list, rest: list, named: dict, alone: bool
    ) -> dict[str, Any]:
        """The results of the model itself for the items, by their keys."""
        model = self._real()
        results: dict[str, Any] = {}

        def take(who: Any, method: str, place: int, value: Any) -> None:
            if who is model and method == name:  # not a model inside it, or another method
                results.update(self._kept([(keys[place], value)]))

        with uncached():
            for key, (method, arguments, voice) in list(self._voices.items()):
                if name not in VOICES and any(part == voice for item in items for part in item):
                    getattr(model, method)(*arguments)
                    del self._voices[key]
            with entered(replace(current(), taker=take)):
                found = getattr(model, name)(items[0] if alone else items, *rest, **named)
        made = [found] if alone else list(found)
        if len(made) != len(items):
            raise UserError(
                f"{self._label}: {name} returned {len(made)} results for {len(items)} items; it "
                "must return one for each, in their order."
            )
        if self._sound:
            self._check_sound(name, made)
        left = [(key, value) for key, value in zip(keys, made, strict=True) if key not in results]
        return results | self._kept(left)

    def _check_sound(self, name: str, made: list) -> None:
        """Raise UserError for audio that is not float32, which no reader of it expects."""
        for value in made:
            for sound in (value, getattr(value, "audio", None)):
                if isinstance(sound, np.ndarray) and sound.dtype != np.float32:
                    raise UserError(
                        f"{self._label}: {name} returned audio of type {sound.dtype}; it must be "
                        "float32, from -1 to 1: add .astype(np.float32) there."
                    )

    def _real(self) -> Any:
        if self._model is None:
            with uncached():
                self._model = self._load()
        return self._model


def _of_item(named: dict, place: int) -> dict:
    """The named arguments of the item at `place`."""
    return {
        name: value[place] if isinstance(value, list) else value for name, value in named.items()
    }


def stand_in(spec: ModelSpec, load: Callable[[], Any], contract: ModuleType) -> Any:
    """The model of a spec, loaded by `load`: a `CachedModel` inside a job if the `contract` caches
    anything; for a backend with PARTS the models inside it are cached instead."""
    cache = current().cache
    keeps = hasattr(contract, "KEPT") and not specs.asks_service(spec)
    keeps = keeps and not specs.constant(spec, "PARTS", False)
    if cache is None or not keeps:
        return load()
    return CachedModel(spec, load, contract, cache)


def model_key(spec: ModelSpec) -> str:
    """A digest of a model: its spec, its backend's code, its weights and the files that its options
    name."""
    parts: list[Any] = [spec, code_digest.code(None, spec)]
    for model in specs.with_nested([spec]):
        weights = needed(model)
        parts += [_weights(name) for name in weights]
        named = [v for v in model.options.values() if isinstance(v, str) and v not in weights]
        parts += [_content(Path(v)) for v in named if os.sep in v and Path(v).exists()]
    return cache_key(*parts)


def _weights(name: str) -> str:
    """The state of a model's weights: their receipt, else names and sizes (reading gigabytes would
    take too long)."""
    try:
        home = path(name)
    except UserError:
        return f"{name} is not here"  # a server has it, or loading will fail
    if (home / RECEIPT).is_file():
        return (home / RECEIPT).read_text("utf-8")
    files = sorted(file for file in home.rglob("*") if file.is_file())
    return "\n".join(f"{file.relative_to(home)} {file.stat().st_size}" for file in files)


def _content(place: Path) -> str:
    """A digest of a file, or of all files of a folder."""
    files = sorted(f for f in place.rglob("*") if f.is_file()) if place.is_dir() else [place]
    return cache_key(*(part for file in files for part in (file.name, Sound(file).sha256())))
