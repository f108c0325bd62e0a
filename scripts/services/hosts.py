"""Host names in any notation: which are private, and which are this machine.

A host has many notations: "127.1", "0x7f.1" and "[::ffff:127.0.0.1]" are all this machine. A name
that programs may parse differently is rejected.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

# Characters of an address that make some programs parse another host.
ODD = re.compile(r"[\\#?\s\x00-\x1f]")
NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")  # a host name; others are written as xn--...
INSIDE = (  # domains that do not exist on the internet
    *(".local", ".internal", ".lan", ".localdomain", ".localhost", ".home", ".corp", ".intranet"),
    *(".private", ".test", ".invalid", ".home.arpa"),
    # ... or whose names resolve to any address one likes
    *(".nip.io", ".sslip.io", ".xip.io", ".localtest.me", ".lvh.me"),
)
INNER = (  # IPv6 networks with an embedded IPv4 address in the last 32 bits
    *(IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"), IPv6Network("64:ff9b::/96")),
)


def split(address: str) -> SplitResult | None:
    """The parts of an address; None if it has no host or an invalid port."""
    try:
        parts = urlsplit(address)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def is_odd(address: str, parts: SplitResult) -> bool:
    """Whether programs may parse another host from an address than the one in `parts`."""
    host = parts.hostname or ""
    known = NAME.fullmatch(host.rstrip(".")) or _number(host)
    return bool(ODD.search(address) or "@" in parts.netloc or not known)


def plain(host: str) -> str:
    """A host without its final dot; IPv4 addresses in any accepted form ("127.1", "0x7f.1",
    "2130706433") in dotted decimal."""
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
    """Whether a host is in a private network: by its address, an address in its name, or a domain
    that is not on the internet."""
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
