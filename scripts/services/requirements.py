"""Requirements for asking a service: address, store, key, cost limit, price.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.common.errors import UserError
from scripts.services import addresses, prices
from scripts.services.settings import ALL, Rules

NETWORKED = {  # file systems on which SQLite's locks do not hold between hosts
    *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "cephfs", "ceph", "cifs", "smb3", "smbfs", "afs"),
    *("glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.ceph", "orangefs", "pvfs2", "wekafs"),
    *("panfs", "fuse.juicefs", "fuse.s3fs", "fuse.rclone", "ncpfs", "ocfs2", "gfs2"),
}


def needs(who: str, model: str, address: str, key: str, rules: Rules) -> list[tuple]:
    """The requirements for asking a service, as (kind, check, arguments ...). A check raises
    UserError."""
    found: list[tuple] = [
        ("address", addresses.check_address, address, rules.hosts, who),
        ("store", check_store, rules.store),
        ("key", addresses.secret, key, address, rules.hosts, who),
    ]
    if not addresses.is_own(address, rules.hosts):
        found.append(("limit", check_limit, rules.max_usd, who))
        found.append(("price", prices.price, rules.prices, address, model))
    return found


def check_limit(max_usd: Mapping[str, float], who: str) -> None:
    """Raise UserError if there is no limit on the total cost of a run."""
    if ALL not in max_usd:
        raise UserError(f"{who} must be paid: set max_usd in the config to what the run may cost.")


def check_store(path: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Raise UserError for a store on a network file system."""
    kind = _filesystem(path, mounts)
    if kind in NETWORKED:
        raise UserError(
            f"the store of answers {path} would lie on a network file system ({kind}), where two "
            "hosts can damage it; set services.store to a file on a disk of this machine."
        )


def _filesystem(path: Path, mounts: Path) -> str | None:
    """The type of a path's file system; None where the system does not tell."""
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
