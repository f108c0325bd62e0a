"""Addresses of services: which are allowed, which are our own, and their keys.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from scripts.common.errors import UserError
from scripts.services import hosts as names
from scripts.services import keys
from scripts.services.settings import rules


def is_own(address: str, hosts: tuple[str, ...] = ()) -> bool:
    """Whether a server is on this machine or listed as ours in the config: free of charge."""
    parts = names.split(address)
    if parts is None:
        return False
    host = names.plain(parts.hostname or "")
    named = {host, f"{host}:{parts.port}" if parts.port else host}
    return names.is_here(host) or bool(named & set(hosts))


def check_address(address: str, hosts: tuple[str, ...], who: str) -> None:
    """Raise UserError for an address that is neither public with TLS nor our own."""
    parts = names.split(address)
    if parts is None or parts.scheme not in ("https", "wss", "http", "ws"):
        raise UserError(f"{who}: '{address}' is no address; write https://host/path.")
    if names.is_odd(address, parts):
        raise UserError(
            f"{who}: the address of {parts.hostname} has a name, a password, a '#' or other signs "
            "in it that programs read in different ways; write https://host/path."
        )
    host = names.plain(parts.hostname or "")
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
    """Raise UserError for a server that is not ours: only service backends store and pay for
    calls."""
    hosts = rules().hosts
    check_address(address, hosts, who)
    if not is_own(address, hosts):
        host = urlsplit(address).hostname
        raise UserError(
            f"{who}: {address} is somebody else's server, whose calls are to be kept and paid for: "
            f"ask it through llm/openai, or, if it is yours, name '{host}' in services.hosts."
        )


def secret(key: str, address: str, hosts: tuple[str, ...], who: str) -> str:
    """The key from the environment; empty for a server of ours without one."""
    found = os.environ.get(key, "").strip()
    if not found and not is_own(address, hosts):
        raise UserError(f"{who} needs {key} in the environment.")
    keys.learn(found, key)
    return found
