"""Names of hosts, in whatever form an address has them: which are private, which are this machine.

One host has many names: "127.1", "0x7f.1" and "[::ffff:127.0.0.1]" are all this machine. A name
that programs could read in different ways is not taken at all.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

# Signs of an address by which some programs take another host for its own.
ODD = re.compile(r"[\\#?\s\x00-\x1f]")
NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")  # of a host; others are written as xn--...
INSIDE = (  # domains that are nobody's on the internet
    *(".local", ".internal", ".lan", ".localdomain", ".localhost", ".home", ".corp", ".intranet"),
    *(".private", ".test", ".invalid", ".home.arpa"),
    # ... or whose names stand for whatever address one likes
    *(".nip.io", ".sslip.io", ".xip.io", ".localtest.me", ".lvh.me"),
)
INNER = (  # IPv6 networks whose addresses hold one of IPv4 in their last 32 bits
    *(IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"), IPv6Network("64:ff9b::/96")),
)


def split(address: str) -> SplitResult | None:
    """The parts of an address; None where it has no host, or a port that is none."""
    try:
        parts = urlsplit(address)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def is_odd(address: str, parts: SplitResult) -> bool:
    """Whether programs could take another host from an address than `parts` has."""
    host = parts.hostname or ""
    known = NAME.fullmatch(host.rstrip(".")) or _number(host)
    return bool(ODD.search(address) or "@" in parts.netloc or not known)


def plain(host: str) -> str:
    """A host without its last dot; an IPv4 address of any form that systems take ("127.1",
    "0x7f.1", "2130706433") as four numbers."""
    host = host.rstrip(".")
    if re.fullmatch(r"[0-9a-fx.]*[0-9a-f]", host):
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            pass
    return host


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    number = _number(host)
    return host == "localhost" or bool(number and number.is_loopback)


def is_private(host: str) -> bool:
    """Whether a host is of a private network: by its address, one that its name holds, or a domain
    that is not of the internet."""
    number = _number(host)
    if number is not None:
        return not _is_public(number)
    held = re.search(r"(?:^|[.-])(\d{1,3}(?:[.-]\d{1,3}){3})(?:[.-]|$)", host)
    inner = _number(held[1].replace("-", ".")) if held else None
    return "." not in host or f".{host}".endswith(INSIDE) or bool(inner and not _is_public(inner))


def _is_public(number: IPv4Address | IPv6Address) -> bool:
    if isinstance(number, IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour
        if any(number in network for network in INNER):
            inner = IPv4Address(int(number) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
    return number.is_global and not number.is_multicast


def _number(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
