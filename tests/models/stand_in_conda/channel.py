"""A local channel with what envs/*.yaml need from conda-forge, built from this machine's files:
`channel.py FOLDER`."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import platform
import sys
import sysconfig
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import imageio_ffmpeg
import zstandard
from rattler import Subdir
from rattler.index import index_fs

# Nothing that a job imports, and the marks of whoever packaged this Python.
LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter"}
LEFT_OUT |= {"turtledemo", "lib2to3", "EXTERNALLY-MANAGED"}
# Debian's Python looks elsewhere for packages, unless it is told.
CUSTOM = b"""import site, sysconfig
site.addsitedir(sysconfig.get_path("purelib", "posix_prefix"))
"""
SOX = b"#!/bin/sh\necho 'a stand-in for sox: it does nothing' >&2\nexit 1\n"


def make_channel(folder: Path) -> None:
    """Package python, pip, ffmpeg and sox (which only says that it is missing) into `folder`."""
    here = str(Subdir.current())
    version = platform.python_version()
    package(folder / here, "python", version, this_python())
    package(folder / "noarch", "pip", metadata.version("pip"), this_pip(), ["python >=3.11"])
    # Both are numbered as envs/*.yaml ask for; the ffmpeg is the one that imageio-ffmpeg has.
    ffmpeg = {"bin/ffmpeg": Path(imageio_ffmpeg.get_ffmpeg_exe())}
    package(folder / here, "ffmpeg", "7.0", ffmpeg)
    package(folder / here, "sox", "14.4.2", {"bin/sox": SOX})
    asyncio.run(index_fs(folder))


def this_python() -> dict[str, Path | bytes | str]:
    """The interpreter and its standard library, in the layout of a prefix."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(sysconfig.get_path("stdlib"))
    files: dict[str, Path | bytes | str] = {
        f"bin/{name}": Path(sys.executable).resolve(),
        "bin/python": name,
        "bin/python3": name,
    }
    for path in sorted(library.rglob("*")):
        parts = path.relative_to(library).parts
        if path.is_file() and not LEFT_OUT & set(parts) and not parts[0].startswith("config-"):
            files[f"lib/{name}/{'/'.join(parts)}"] = path
    files[f"lib/{name}/sitecustomize.py"] = CUSTOM
    return files


def this_pip() -> dict[str, Path]:
    """The files of pip, in the layout of a package for any Python version."""
    files = {}
    for file in metadata.distribution("pip").files:
        if file.parts[0].startswith("pip") and file.suffix != ".pyc":
            files[f"site-packages/{file}"] = Path(file.locate())
    return files


def package(
    folder: Path,
    name: str,
    version: str,
    files: dict[str, Path | bytes | str],
    depends: list[str] | None = None,
) -> None:
    """Write <name>-<version>-0.conda into the `folder` of its platform. A file is a path, its
    content (bytes) or the target of a link (str)."""
    folder.mkdir(parents=True, exist_ok=True)
    content, paths = {}, []
    for place, source in files.items():
        content[place] = source if isinstance(source, bytes | str) else source.read_bytes()
        data = b"" if isinstance(source, str) else content[place]
        paths.append(
            {
                "_path": place,
                "path_type": "softlink" if isinstance(source, str) else "hardlink",
                "sha256": hashlib.sha256(data).hexdigest(),
                "size_in_bytes": len(data),
            }
        )
    described = {
        "index": {
            **{"name": name, "version": version, "build": "0", "build_number": 0},
            **{"depends": depends or [], "subdir": folder.name},
        },
        "paths": {"paths": paths, "paths_version": 1},
    }
    if folder.name == "noarch":
        described["index"]["noarch"] = "python"
        described["link"] = {"noarch": {"type": "python"}, "package_metadata_version": 1}
    info = {f"info/{what}.json": json.dumps(value).encode() for what, value in described.items()}
    stem = f"{name}-{version}-0"
    with zipfile.ZipFile(folder / f"{stem}.conda", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        archive.writestr(f"pkg-{stem}.tar.zst", packed(content))
        archive.writestr(f"info-{stem}.tar.zst", packed(info))


def packed(content: dict[str, bytes | str]) -> bytes:
    """A compressed archive: path -> the file's content or the target of a link."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for place, data in content.items():
            entry = tarfile.TarInfo(place)
            if isinstance(data, str):
                entry.type, entry.linkname, data = tarfile.SYMTYPE, data, b""
            entry.size = len(data)
            entry.mode = 0o755 if place.startswith("bin/") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return zstandard.ZstdCompressor(level=1).compress(tar.getvalue())


if __name__ == "__main__":
    make_channel(Path(sys.argv[1]))
    os._exit(0)  # py-rattler's threads may crash an interpreter that ends as usual
