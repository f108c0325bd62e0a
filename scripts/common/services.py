"""Services that are asked over a network: whose an address is, what it costs, what is allowed.

A backend whose `load` has the option `key`, the name of the environment variable that holds its
key, is a service. The Snakefile imports this: nothing heavy here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from scripts.common import config as settings
from scripts.common import documents, keys, lookup
from scripts.common import hosts as names
from scripts.common.stage import UserError
from scripts.common.tables import read_table

RUN = Path("results/run_config.yaml")  # what the workflow writes before its first job
ALL = "all"  # the limit of what a whole run may cost, among those of its stages
TOKENS = ("input token", "output token", "input audio token", "output audio token")
UNITS = (*TOKENS, "character", "audio second", "call")
NETWORKED = {  # types of file systems on which SQLite's locks do not hold between hosts
    *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "cephfs", "ceph", "cifs", "smb3", "smbfs", "afs"),
    *("glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.ceph", "orangefs", "pvfs2", "wekafs"),
    *("panfs", "fuse.juicefs", "fuse.s3fs", "fuse.rclone", "ncpfs", "ocfs2", "gfs2"),
}


@dataclass(frozen=True)
class Limits:
    """Of one model of a service; None: no limit that we know of."""

    at_once: int
    rpm: float | None  # requests a minute
    tpm: float | None  # tokens a minute, in and out


@dataclass(frozen=True)
class Rules:
    """What a run says about services: the section `services` of the config, and `max_usd`."""

    store: Path
    hosts: tuple[str, ...]
    prices: Path
    limits: Mapping[str, Mapping[str, Any]]
    timeout: float  # seconds for one attempt
    deadline: float  # seconds for a call with all its attempts
    tries: int  # more attempts after a transient fault
    resample: int  # attempts whose answers are refused or unusable
    max_usd: Mapping[str, float]

    def limits_of(self, model: str) -> Limits:
        """The limits of a model as its service calls it."""
        return Limits(**{**self.limits["default"], **self.limits.get(model, {})})


def rules(config: Mapping[str, Any] | None = None) -> Rules:
    """The rules of a config; by default of the run in whose folder this process works.

    A stage that is called outside of any run has the defaults of config/config.yaml.
    """
    if config is None:
        path = RUN if RUN.is_file() else settings.ROOT / "config/config.yaml"
        config = yaml.safe_load(path.read_text("utf-8"))
    own = dict(config["services"])
    prices = Path(own.pop("prices"))
    return Rules(
        **{**own, "store": Path(own["store"]), "hosts": tuple(own["hosts"])},
        prices=prices if prices.exists() else settings.ROOT / prices,
        max_usd=caps(config["max_usd"]),
    )


def caps(max_usd: float | Mapping[str, float | None] | None) -> dict[str, float]:
    """Dollars by stage, and under "all" for the run; stages without a limit are left out."""
    found = max_usd if isinstance(max_usd, Mapping) else {ALL: max_usd}
    return {stage: float(usd) for stage, usd in found.items() if usd is not None}


def is_service(model: Mapping[str, Any]) -> bool:
    """Whether the backend of a spec asks a service."""
    return "key" in settings.options_of(model)


def asks_service(*models: Mapping[str, Any]) -> bool:
    """Whether one of the models, or of those inside them, asks a service."""
    return any(is_service(model) for model in settings.flat(models))


def cores(*models: Mapping[str, Any]) -> int:
    """The CPU cores that the models of a job keep busy: the most that one's `threads` says, 2 for
    those that have no such option, 1 for a service."""
    asked = [
        1 if is_service(model) else settings.option(model, "threads") or 2
        for model in settings.flat(models)
    ]
    return max(asked, default=1)


def is_paid(model: Mapping[str, Any], hosts: tuple[str, ...]) -> bool:
    """Whether the calls of a spec cost money: it asks somebody else's service."""
    return is_service(model) and not is_own(settings.option(model, "address"), hosts)


def is_own(address: str, hosts: tuple[str, ...] = ()) -> bool:
    """Whether a server is this machine's or one that the config names as ours: free of charge."""
    parts = names.split(address)
    if parts is None:
        return False
    host = names.plain(parts.hostname)
    named = {host, f"{host}:{parts.port}" if parts.port else host}
    return names.is_here(host) or bool(named & set(hosts))


def needs(who: str, model: str, address: str, key: str, rules: Rules) -> list[tuple]:
    """What must be so before a service is asked: (kind of thing, check, its arguments ...) each. A
    check raises UserError with one sentence."""
    found = [
        ("address", check_address, address, rules.hosts, who),
        ("store", check_store, rules.store),
        ("key", secret, key, address, rules.hosts, who),
    ]
    if not is_own(address, rules.hosts):
        found.append(("limit", check_limit, rules.max_usd, who))
        found.append(("price", price, rules.prices, address, model))
    return found


def check_limit(max_usd: Mapping[str, float], who: str) -> None:
    """Raise UserError if nobody said what a run may cost in all."""
    if ALL not in max_usd:
        raise UserError(f"{who} must be paid: set max_usd in the config to what the run may cost.")


def check_address(address: str, hosts: tuple[str, ...], who: str) -> None:
    """Raise UserError for an address that is neither a public one over TLS nor our own."""
    parts = names.split(address)
    if parts is None or parts.scheme not in ("https", "wss", "http", "ws"):
        raise UserError(f"{who}: '{address}' is no address; write https://host/path.")
    if names.is_odd(address, parts):
        raise UserError(
            f"{who}: the address of {parts.hostname} has a name, a password, a '#' or other signs "
            "in it that programs read in different ways; write https://host/path."
        )
    host = names.plain(parts.hostname)
    if host != parts.hostname:
        raise UserError(f"{who}: write '{host}' for '{parts.hostname}' in {address}.")
    if is_own(address, hosts):
        return
    if parts.scheme in ("http", "ws"):
        raise UserError(
            f"{who}: {address} is not encrypted, and keys and voices would be sent to it; use "
            f"https, or, if the server is yours, name '{parts.hostname}' in services.hosts."
        )
    if names.is_private(host):
        raise UserError(
            f"{who}: {address} is on a private network; if the server is yours, name "
            f"'{parts.hostname}' in services.hosts."
        )


def must_be_own(address: str, who: str) -> None:
    """Raise UserError for a server that is not ours: calls to those are kept and paid for."""
    hosts = rules().hosts
    check_address(address, hosts, who)
    if not is_own(address, hosts):
        host = urlsplit(address).hostname
        raise UserError(
            f"{who}: {address} is somebody else's server, whose calls are to be kept and paid for: "
            f"ask it through llm/openai, or, if it is yours, name '{host}' in services.hosts."
        )


def price(path: Path, address: str, model: str) -> dict[str, float]:
    """Dollars of one unit of each kind that a service counts, from the table of prices.

    Raises UserError, with the nearest model, where the table does not have it.
    """
    host = urlsplit(address).hostname
    rows = read_table(path, "prices")
    own = [row for row in rows if row["host"] == host and row["model"] == model]
    if not own:
        known = {row["model"] for row in rows if row["host"] == host}
        hint = documents.nearest(model, known) if known else "."
        raise UserError(
            f"{path} has no price of '{model}' at {host}{hint} Add its rows, with date and source: "
            "nothing is bought whose price is not known."
        )
    return {row["unit"]: float(row["usd"]) / float(row["per"]) for row in own}


def cost(prices: Mapping[str, float], used: Mapping[str, float], who: str) -> float:
    """Dollars of what was used. Raises UserError for a unit that has no price."""
    for unit, amount in used.items():
        if amount and unit not in prices:
            raise UserError(
                f"the prices of {who} lack the unit '{unit}'{documents.nearest(unit, prices)}"
            )
    return sum(prices[unit] * amount for unit, amount in used.items() if amount)


def tokens(
    most: Mapping[str, float],
    read: float | None,
    heard: float | None,
    written: float | None,
    spoken: float | None = None,
    total: float | None = None,
) -> dict[str, float]:
    """The units of config/prices.tsv of so many tokens read, `heard` of them audio, and written,
    `spoken` of them audio, as a service says.

    What it does not say (None), or cannot be (none read, more audio than there are tokens), counts
    as reserved: as in `most`, what a call may use at most. What is in its `total` alone, as some
    count what a model thinks, was written.
    """
    found: dict[str, float] = {}
    if None not in (total, read, written):
        written = max(written, total - read)
    for text, audio, whole, part in (
        (*TOKENS[0::2], read, heard),
        (*TOKENS[1::2], written, spoken),
    ):
        reserved = {unit: most[unit] for unit in (text, audio) if most.get(unit)}
        if part is None and whole is not None:
            part = min(most.get(audio, 0), whole)
        if not whole or part is None or part > whole:
            found |= reserved
        else:
            found |= {unit: n for unit, n in ((text, whole - part), (audio, part)) if n}
    return found


def audio_among(rows: Any, name: str, whole: float | None) -> int | None:
    """How many of `whole` tokens are audio by a list that has a count, called `name`, for each
    modality, as Google's. None where that is not known: it has others, or does not add up."""
    if not isinstance(rows, list) or not rows:
        return None
    told: dict[Any, list[int | None]] = {"AUDIO": [], "TEXT": []}
    for row in rows:
        told.setdefault(str(lookup.at(row, "modality")), []).append(lookup.number(row, name))
    heard, texts = told.pop("AUDIO"), told.pop("TEXT")
    if told or None in heard:
        return None
    return sum(heard) if None in texts or sum(heard) + sum(texts) == whole else None


def widened(most: Mapping[str, float], cuts: int) -> dict[str, float]:
    """What a call may use at most that was cut short so often: twice the output each time."""
    return {unit: n * (2**cuts if "output" in unit else 1) for unit, n in most.items()}


def as_told(used: Mapping[str, float | None], most: Mapping[str, float]) -> dict[str, float]:
    """What a service says it used; as reserved what it does not say, or says to be nothing."""
    return {unit: count or most[unit] for unit, count in used.items()}


def secret(key: str, address: str, hosts: tuple[str, ...], who: str) -> str:
    """The key from the environment; of a server of ours that has none, nothing."""
    found = os.environ.get(key, "").strip()
    if not found and not is_own(address, hosts):
        raise UserError(f"{who} needs {key} in the environment.")
    keys.learn(found, key)
    return found


def check_store(path: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Raise UserError for a store on a network file system."""
    kind = _filesystem(path, mounts)
    if kind in NETWORKED:
        raise UserError(
            f"the store of answers {path} would lie on a network file system ({kind}), where two "
            "hosts can damage it; set services.store to a file on a disk of this machine."
        )


def _filesystem(path: Path, mounts: Path) -> str | None:
    """The type of the file system that holds a path; None where the system does not tell."""
    if not mounts.is_file():
        return None
    whole, best, kind = path.absolute(), -1, None
    for line in mounts.read_text("utf-8", errors="replace").splitlines():
        fields = line.split()
        if len(fields) > 2:
            place = Path(fields[1].replace("\\040", " "))
            if whole.is_relative_to(place) and len(place.parts) >= best:
                best, kind = len(place.parts), fields[2]
    return kind
