"""Downloads a model of config/hub_weights.tsv from its hub into the weights folder.

A receipt records the commit and the sha256 of every file, so that a pickle can be checked before it
is opened (scripts/common/weights.py). Interrupted downloads resume, and files that are already
there are not fetched again.

The first download of a model also records the sha256 of its files in config/hub_locks/MODEL.sha256,
as `sha256sum` does; commit that file. Every later download, on any machine, must get the same
(trust on first use).

To write a receipt for a folder that you filled yourself and trust:
`python -m scripts.setup.download --receipt FOLDER`.
"""

import errno
import fnmatch
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from scripts.common.errors import UserError
from scripts.common.paths import ROOT, sha256_of
from scripts.common.weights import PAGES, RECEIPT, folder
from scripts.workflow import stage

LOCKS = ROOT / "config" / "hub_locks"
BLOCK = 1 << 20
BESIDE = 100_000_000  # bytes by which a model may exceed the size in its row
DIGEST = re.compile("[0-9a-f]{64}")
WAIT = 60  # seconds without data before giving up


def download(receipt: Path, row: dict[str, str] | None = None, locks: Path = LOCKS) -> None:
    """Download the model of `row` (of config/hub_weights.tsv) and write its `receipt`.

    Without a row nothing is fetched: `receipt` is a folder, and a receipt of its files is written.
    Raises UserError if HF_HUB_OFFLINE forbids it, the hub refuses (a gated model without access),
    the commit does not exist or a file is not the one that the table or its lock in `locks` pins.
    """
    if row is None:
        if not receipt.is_dir():
            raise UserError(f"{receipt} is not a folder: there is nothing to write a receipt of.")
        write_receipt(receipt, "put there by hand", "")
        return
    kind, _, name = row["source"].partition(":")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise UserError(
            f"HF_HUB_OFFLINE is set, so '{row['model']}' is not downloaded from "
            f"{PAGES.get(kind, '')}{name}; unset it where the hub can be reached, or copy the "
            "folder from such a machine."
        )
    home = folder() / row["model"]
    home.mkdir(parents=True, exist_ok=True)
    fill = _hub if kind == "hf" else _urls
    commit, names = fill(home, name, row)
    files = _digests(home)
    own = {name: sha256 for name, sha256 in files.items() if name in names}
    _demand(own, row, home, locks / f"{row['model']}.sha256")
    _write(receipt, row["source"], commit, files)


def write_receipt(home: Path, source: str, commit: str) -> None:
    """Write the receipt of the files in `home`."""
    _write(home / RECEIPT, source, commit, _digests(home))


def _write(receipt: Path, source: str, commit: str, files: dict[str, str]) -> None:
    text = json.dumps({"source": source, "commit": commit, "files": files}, indent=1)
    receipt.write_text(text + "\n", encoding="utf-8")


def _digests(home: Path) -> dict[str, str]:
    """The sha256 of each file in `home`, without the hub client's own bookkeeping files."""
    files = {}
    for file in sorted(home.rglob("*")):
        name = file.relative_to(home)
        if file.is_file() and not name.parts[0].startswith(".") and name.name != RECEIPT:
            files[name.as_posix()] = sha256_of(file)
    return files


def _demand(files: dict[str, str], row: dict[str, str], home: Path, lock: Path) -> None:
    """Compare a model's files (name: sha256) with those pinned in its row and with its lock, which
    is written if there is none. Raises UserError for the first that differs."""
    for name, wanted in _pins(row).items():
        if files.get(name, wanted) != wanted:
            raise _other(name, files[name], "config/hub_weights.tsv", wanted, row, home)
    if not lock.exists():
        lock.parent.mkdir(parents=True, exist_ok=True)
        part = lock.with_name(f".part-{os.getpid()}-{lock.name}")
        part.write_text("".join(f"{own}  {name}\n" for name, own in files.items()), "utf-8")
        part.replace(lock)
        print(f"{lock} holds the digests of '{row['model']}' from now on: commit it.")
        return
    lines = [line.partition("  ") for line in lock.read_text("utf-8").splitlines() if line.strip()]
    if bad := [word for word, _, name in lines if not DIGEST.fullmatch(word) or not name]:
        raise UserError(
            f"{lock} is damaged: '{bad[0][:80]}' is no sha256 with two blanks and a file's name "
            "behind it. Restore it from your repository."
        )
    locked = {name: word for word, _, name in lines}
    for name in sorted({*files, *locked}):
        if files.get(name) != locked.get(name):
            found, wanted = (own.get(name, "none (no such file)") for own in (files, locked))
            raise _other(name, found, str(lock), wanted, row, home)


def _other(
    name: str, found: str, by: str, wanted: str, row: dict[str, str], home: Path
) -> UserError:
    trusted = "correct the row" if by.endswith(".tsv") else f"delete {by}"
    return UserError(
        f"{name} of '{row['model']}' is not the file that was trusted: its sha256 is {found}, and "
        f"{by} says {wanted}. Nothing will use it. Was it damaged on the way, delete "
        f"{home / name} and run the same command again; did its publisher change it and you trust "
        f"that, {trusted} and run it again."
    )


def _pins(row: dict[str, str]) -> dict[str, str]:
    """The sha256 of the files that a row pins with `#`, by the file's name in the row."""
    words = (word.partition("#") for word in row["files"].split())
    return {name: sha256 for name, _, sha256 in words if sha256}


def _hub(home: Path, name: str, row: dict[str, str]) -> tuple[str, list[str]]:
    """Fill `home` from a hub repository; returns the commit and the files that were downloaded."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"{PAGES['hf']}{name}"
    try:
        commit = HfApi().model_info(name, revision=row["commit"]).sha
        patterns = [word.partition("#")[0] for word in row["files"].split()] or None
        files = HfApi().list_repo_tree(name, recursive=True, revision=commit)
        sizes = {file.path: file.size for file in files if hasattr(file, "size")}
        sizes = {path: size for path, size in sizes.items() if _wanted(path, patterns)}
        if sum(sizes.values()) > _most(row):
            raise _too_large(row, page)
        snapshot_download(name, revision=commit, local_dir=home, allow_patterns=patterns)
    except GatedRepoError as error:
        raise UserError(
            f"'{row['model']}' is given out on request only: accept its licence ({row['licence']}) "
            f"on {page}, then set HF_TOKEN in the environment."
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            f"{page} has no commit {row['commit']}, which config/hub_weights.tsv names for "
            f"'{row['model']}'."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(f"{page} does not exist, or HF_TOKEN may not see it.") from error
    except UserError:
        raise
    except Exception as error:  # error classes depend on the HTTP library of the hub's client
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        raise _failed(row, page, error) from error
    return commit, [*sizes]


def _urls(home: Path, base: str, row: dict[str, str]) -> tuple[str, list[str]]:
    """Fill `home` from a web server: `files` lists names or URLs, `#sha256` appended if known.
    Returns no commit and the names of the files."""
    left, names = _most(row), []
    for word in row["files"].split():
        url, wanted = urllib.parse.urldefrag(urllib.parse.urljoin(f"{base}/", word))
        file = home / Path(urllib.parse.urlsplit(url).path).name
        if not file.exists():
            part = file.with_name(f".part-{file.name}")
            try:
                if not _fetch(url, part, left):
                    part.unlink()
                    raise _too_large(row, url)
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                if getattr(error, "code", 0) == 416:  # longer than the server's: a different file
                    part.unlink()
                raise _failed(row, url, error) from error
            part.rename(file)
        left -= file.stat().st_size
        names.append(file.name)
        found = sha256_of(file)
        if wanted and found != wanted:
            file.unlink()
            raise UserError(
                f"{url} has the sha256 {found}; config/hub_weights.tsv says {wanted} for "
                f"'{row['model']}'. It was deleted."
            )
    return "", names


def _fetch(url: str, part: Path, most: int) -> bool:
    """Download into `part`, resuming an earlier attempt if the server supports it. Returns False,
    and stops, if the file is larger than `most` bytes."""
    begun = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={begun}-"} if begun else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        begun = begun if answer.status == 206 else 0
        with part.open("ab" if begun else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                if file.tell() > most:
                    return False
        length = answer.headers.get("Content-Length")
        if length and part.stat().st_size != begun + int(length):
            raise ConnectionError(f"it stopped after {part.stat().st_size} bytes")
    return True


def _most(row: dict[str, str]) -> int:
    """The maximum size of a model in bytes; the sizes in the table are approximate."""
    return int(1.5e9 * float(row["gb"])) + BESIDE


def _wanted(path: str, patterns: list[str] | None) -> bool:
    """Whether the hub's client would fetch a file; it interprets patterns in the same way."""
    return patterns is None or any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def _too_large(row: dict[str, str], page: str) -> UserError:
    return UserError(
        f"{page} has more than {_most(row) / 1e9:.1f} GB; config/hub_weights.tsv says "
        f"{row['gb']} GB of '{row['model']}'. It is another model, or its files have grown: look "
        "at it, and correct the row."
    )


def _failed(row: dict[str, str], page: str, error: Exception) -> UserError:
    words = " ".join(str(error).split())[:300] or type(error).__name__
    return UserError(
        f"'{row['model']}' could not be got from {page}: {words}. Run the same command again: it "
        "goes on where it stopped."
    )


if __name__ == "__main__":
    stage.run(download, globals().get("snakemake"))
