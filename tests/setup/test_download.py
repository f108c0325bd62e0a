"""A model is downloaded from its hub, with a receipt, over HTTP; a small server plays the hub."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from scripts.common import weights
from scripts.common.documents import check
from scripts.common.errors import UserError
from scripts.common.tables import read_table
from scripts.common.weights import HUB, RECEIPT, pinned
from scripts.setup import download as module
from scripts.setup.download import download
from scripts.workflow import requirements, specs

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "5" * 40
WEIGHTS = os.urandom(1_000) * 22_000  # the hub's client writes, and so resumes, by 10 MiB
FILES = {"config.json": b'{"tiny": true}', "sub/model.bin": WEIGHTS, "flax.msgpack": b"not wanted"}
FILES[".gitattributes"] = b"* text"
ROW = {
    "model": "tiny", "source": "hf:someone/tiny", "commit": COMMIT, "files": "*.json sub/*",
    "gb": "0.1", "licence": "MIT", "gated": "no", "unpinned": "",
}  # fmt: skip


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Hub(BaseHTTPRequestHandler):
    """One repository of a hub, someone/tiny, a gated one, someone/closed, and files at /plain."""

    asked: list[tuple[str, str, str]] = []  # method, path, range
    drops = 0  # how many downloads of the weights still break off halfway

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = self.path.partition("?")[0]
        type(self).asked.append((self.command, path, self.headers.get("Range", "")))
        if path.startswith("/plain/"):
            return self.send(FILES.get(path.removeprefix("/plain/")))
        if "someone/closed/resolve" in path:
            return self.send(b"", 403, **{"X-Error-Code": "GatedRepo"})
        if "someone/tiny" not in path and "someone/closed" not in path:
            return self.send(b"", 404, **{"X-Error-Code": "RepoNotFound"})
        if "/revision/" in path:
            if path.rsplit("/", 1)[1] not in (COMMIT, "main"):
                return self.send(b"", 404, **{"X-Error-Code": "RevisionNotFound"})
            return self.send(json.dumps({"id": "someone/tiny", "sha": COMMIT}).encode())
        if "/tree/" in path:
            rows = [
                {"type": "file", "path": name, "size": len(content), "oid": sha256(content)[:40]}
                for name, content in FILES.items()
            ]
            rows.append({"type": "file", "path": "huge.bin", "size": 10**12, "oid": "0" * 40})
            return self.send(json.dumps(rows).encode())
        return self.send(FILES.get(path.partition(f"/resolve/{COMMIT}/")[2]))

    def send(self, content: bytes | None, status: int = 200, **headers: str) -> None:
        if content is None:
            content, status = b"", 404
        begin = int(self.headers.get("Range", "bytes=0-").split("=")[1].split("-")[0])
        if begin:
            status = 206
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self.send_response(status)
        headers |= {"ETag": f'"{sha256(content)[:40]}"', "X-Repo-Commit": COMMIT}
        headers |= {"Content-Length": str(len(content) - begin), "Connection": "close"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if content is WEIGHTS and type(self).drops:
            type(self).drops -= 1
            self.wfile.write(content[begin : len(content) // 2])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(content[begin:])


@pytest.fixture
def hub():
    Hub.asked, Hub.drops = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def get(hub, tmp_path):
    """Runs the command in its own process, because the hub's client reads its settings once."""

    def run(ok: bool = True, environment: dict[str, str] | None = None, **changes: str) -> str:
        row = {**ROW, **changes}
        home = tmp_path / row["model"]
        home.mkdir(exist_ok=True)
        names = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "PYTEST"))}
        names |= {"HF_ENDPOINT": hub, "SPEECHROLE_WEIGHTS": str(tmp_path)}
        names |= {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "no_proxy": "*"}
        command = [sys.executable, "-m", "scripts.setup.download", "--row", json.dumps(row)]
        command += ["--receipt", str(home / RECEIPT), "--locks", str(tmp_path / "locks")]
        done = subprocess.run(
            command, cwd=ROOT, env=names | (environment or {}),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        assert ok == (home / RECEIPT).exists()
        return done.stderr.strip().splitlines()[-1] if not ok else ""

    return run


def test_wanted_files_come_with_a_receipt(get, tmp_path):
    get()
    receipt = json.loads((tmp_path / "tiny/receipt.json").read_text("utf-8"))
    wanted = {name: sha256(FILES[name]) for name in ("config.json", "sub/model.bin")}
    assert receipt == {"source": "hf:someone/tiny", "commit": COMMIT, "files": wanted}
    assert not (tmp_path / "tiny/flax.msgpack").exists()
    assert not [path for _, path, _ in Hub.asked if path.endswith("/main")]  # the commit alone
    assert pinned(tmp_path / "tiny/sub/model.bin").read_bytes() == WEIGHTS
    (tmp_path / "tiny/sub/model.bin").write_bytes(b"other")
    with pytest.raises(UserError, match="can run code when it is opened"):
        pinned(tmp_path / "tiny/sub/model.bin")


def test_main_is_written_down_as_the_commit_that_it_was(get, tmp_path):
    get(commit="main")
    assert json.loads((tmp_path / "tiny/receipt.json").read_text("utf-8"))["commit"] == COMMIT


def test_a_broken_download_goes_on_where_it_stopped(get, tmp_path):
    Hub.drops = 1
    get()
    assert (tmp_path / "tiny/sub/model.bin").read_bytes() == WEIGHTS
    ranges = [span for method, path, span in Hub.asked if path.endswith("model.bin") and span]
    assert ranges == [f"bytes={10 * 1024 * 1024}-"]


def test_what_is_there_is_not_fetched_again(get, tmp_path):
    get()
    (tmp_path / "tiny/receipt.json").unlink()
    Hub.asked = []
    get()
    assert not [path for method, path, _ in Hub.asked if method == "GET" and "/resolve/" in path]


@pytest.mark.parametrize(
    "changes, environment, sentence",
    [
        ({"source": "hf:someone/closed", "licence": "theirs"}, {}, "accept its licence (theirs)"),
        ({"source": "hf:someone/nothing"}, {}, "someone/nothing does not exist, or HF_TOKEN"),
        ({"commit": "6" * 40}, {}, f"has no commit {'6' * 40}"),
        ({}, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set, so 'tiny' is not downloaded from"),
        ({}, {"HF_ENDPOINT": "http://127.0.0.1:9"}, "'tiny' could not be got from"),
    ],
)
def test_a_refusal_is_one_sentence(get, changes, environment, sentence):
    told = get(ok=False, environment=environment, **changes)
    assert sentence in told and told.startswith("download: ")
    if "HF_HUB_OFFLINE" in environment:
        assert Hub.asked == []


@pytest.fixture
def plain(hub, tmp_path, monkeypatch):
    """Download from a plain server, in this process: function (files) -> the model's folder."""
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def get(files: str) -> Path:
        row = {**ROW, "source": f"url:{hub}/plain/sub", "commit": "", "files": files}
        check({**row, "unpinned": "of a test"}, "hub_weights", "a row")
        download(tmp_path / "receipt.json", row, locks=tmp_path / "locks")
        return tmp_path / "tiny"

    return get


def test_files_of_no_hub_come_by_name_or_address(plain, hub, tmp_path):
    home = plain(f"model.bin#{sha256(WEIGHTS)} {hub}/plain/config.json")
    assert (home / "model.bin").read_bytes() == WEIGHTS
    receipt = json.loads((tmp_path / "receipt.json").read_text("utf-8"))
    assert set(receipt["files"]) == {"model.bin", "config.json"}


def test_a_broken_plain_download_goes_on_where_it_stopped(plain):
    Hub.drops = 1
    with pytest.raises(UserError, match="Run the same command again"):
        plain("model.bin")
    assert (plain("model.bin") / "model.bin").read_bytes() == WEIGHTS
    assert Hub.asked[-1][2] == f"bytes={len(WEIGHTS) // 2}-"


def test_a_model_that_is_far_larger_than_its_row_says_is_not_fetched(get):
    told = get(ok=False, files="*.json huge.*")
    assert "has more than 0.2 GB; config/hub_weights.tsv says 0.1 GB of 'tiny'" in told
    assert not any("/resolve/" in path for _, path, _ in Hub.asked)
    get(ok=True, files="*.json")


def test_a_plain_file_that_is_far_too_large_is_left_early(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BESIDE", 0)
    monkeypatch.setitem(ROW, "gb", "0.02")  # with half as much again 30 MB, which is enough
    plain("model.bin").joinpath("model.bin").unlink()
    monkeypatch.setitem(ROW, "gb", "0.001")
    with pytest.raises(UserError, match=r"model\.bin has more than 0\.0 GB"):
        plain("model.bin")
    assert not any(path.suffix == ".bin" for path in (tmp_path / "tiny").iterdir())


def test_the_files_of_a_model_are_counted_together(plain, monkeypatch):
    monkeypatch.setitem(ROW, "gb", "0")
    monkeypatch.setattr(module, "BESIDE", len(WEIGHTS) + len(FILES["config.json"]) - 1)
    with pytest.raises(UserError, match=r"config\.json has more than"):
        plain("model.bin ../config.json")
    monkeypatch.setattr(module, "BESIDE", len(WEIGHTS) + len(FILES["config.json"]))
    assert (plain("model.bin ../config.json") / "config.json").is_file()


def test_another_file_than_the_pinned_one_is_deleted(plain, tmp_path):
    with pytest.raises(UserError, match="has the sha256"):
        plain(f"model.bin#{'0' * 64}")
    assert not (tmp_path / "tiny/model.bin").exists()


def test_a_missing_plain_file_is_one_sentence(plain):
    with pytest.raises(UserError, match="'tiny' could not be got from .*/none.bin: HTTP Error 404"):
        plain("none.bin")


LOCK = "locks/tiny.sha256"


def test_what_a_model_first_was_is_locked_as_sha256sum_writes_it(get, tmp_path):
    get(commit="main", unpinned="of a test", files="*.json sub/* .git*")
    lines = (tmp_path / LOCK).read_text("utf-8").splitlines()
    names = ("config.json", "sub/model.bin")
    assert sorted(lines) == sorted(f"{sha256(FILES[name])}  {name}" for name in names)
    before = (tmp_path / LOCK).stat().st_mtime_ns
    (tmp_path / "tiny/receipt.json").unlink()
    get(commit="main", unpinned="of a test")
    assert (tmp_path / LOCK).stat().st_mtime_ns == before


def test_another_file_than_the_first_is_refused_by_name_digests_and_way_out(plain, tmp_path):
    plain("model.bin ../config.json")
    (tmp_path / "receipt.json").unlink()
    lock = tmp_path / LOCK
    wanted, other = sha256(FILES["config.json"]), sha256(b"another")
    lock.write_text(lock.read_text("utf-8").replace(wanted, other), "utf-8")
    with pytest.raises(UserError) as error:
        plain("model.bin ../config.json")
    said = str(error.value)
    assert said.startswith("config.json of 'tiny' is not the file that was trusted")
    assert wanted in said and other in said and f"delete {lock} and run it again" in said
    assert f"delete {tmp_path / 'tiny/config.json'} and run the same command again" in said
    assert not (tmp_path / "receipt.json").exists()
    lock.unlink()  # the way out: trust what is there now
    plain("model.bin ../config.json")
    assert wanted in lock.read_text("utf-8")


@pytest.mark.parametrize("files", ["model.bin", "model.bin ../config.json ../flax.msgpack"])
def test_a_file_more_or_less_than_the_first_is_refused(plain, files):
    plain("model.bin ../config.json")
    with pytest.raises(UserError, match=r"none \(no such file\)"):
        plain(files)


def test_a_damaged_lock_is_told(plain, tmp_path):
    plain("../config.json")
    (tmp_path / LOCK).write_text("<<<<<<< HEAD\n", "utf-8")
    with pytest.raises(UserError, match="tiny.sha256 is damaged: '<<<<<<< HEAD' is no sha256"):
        plain("../config.json")


def test_a_file_of_a_hub_may_be_pinned_in_its_row(get):
    told = get(ok=False, files=f"config.json sub/model.bin#{'0' * 64}")
    assert f"its sha256 is {sha256(WEIGHTS)}, and config/hub_weights.tsv says {'0' * 64}" in told
    get(files=f"config.json sub/model.bin#{sha256(WEIGHTS)}")


def test_weights_of_the_papers_systems_and_judges_are_pinned_or_say_why_not():
    """Of the three judges, that of the embedded models and the paper's overlay and the open one."""
    overlay, base = (
        yaml.safe_load((ROOT / f"config/{name}.yaml").read_text("utf-8"))
        for name in ("paper", "config")
    )
    models = base["models"] | overlay["models"]
    names = [(name, "dialogue") for name in overlay["evaluate"]]
    names += [(name, "judge") for name in (overlay["judge"], "objective-paper")]
    used = [specs.resolve(models, name, kind, "paper.yaml") for name, kind in names]
    hub = {row["model"]: row for row in weights.hub_table()}
    needed = {name for spec in specs.with_nested(used) for name in requirements.needed(spec)}
    unpinned = {name: hub[name]["unpinned"] for name in needed & {*hub}}
    assert len(unpinned) > 9
    assert {name for name, why in unpinned.items() if why} == {"llama-omni-8b", "hifigan-unit"}
    assert {row["model"] for row in hub.values() if row["commit"] == "main"} == {"llama-omni-8b"}


def test_a_row_that_pins_nothing_must_say_why():
    for row in (ROW | {"commit": "main"}, ROW | {"source": "url:https://a.org/b", "commit": ""}):
        with pytest.raises(UserError, match="unpinned"):
            check(row, "hub_weights", "a row")
        check(row | {"unpinned": "its page is gone"}, "hub_weights", "a row")
    with pytest.raises(UserError, match="unpinned"):
        check(ROW | {"unpinned": "it is not"}, "hub_weights", "a row")


def test_a_folder_of_ones_own_gets_a_receipt(tmp_path):
    (tmp_path / "net.pt").write_bytes(b"net")
    with pytest.raises(UserError, match="no receipt.json vouches"):
        pinned(tmp_path / "net.pt")
    download(tmp_path)
    assert pinned(tmp_path / "net.pt") == tmp_path / "net.pt"
    with pytest.raises(UserError, match="is not a folder"):
        download(tmp_path / "nothing")


def test_the_table_is_as_its_schema_says():
    rows = read_table(HUB, "hub_weights")
    assert len({row["model"] for row in rows}) == len(rows) > 20
    with pytest.raises(UserError, match="hub_weights.tsv: commit"):
        check({**rows[1], "commit": "v1.0"}, "hub_weights", "hub_weights.tsv")


def test_a_model_that_is_not_there_is_named_with_its_licence_page_and_the_command(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError) as error:
        weights.path("llama-3.1-8b")
    said = str(error.value)
    assert "the model 'llama-3.1-8b' (16.1 GB) is not in" in said and "ask for access there" in said
    assert "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct" in said
    assert f"`snakemake {tmp_path / 'llama-3.1-8b' / RECEIPT}`" in said
    with pytest.raises(UserError, match="no model 'qwen3-8'.* did you mean 'qwen3-8b'"):
        weights.path("qwen3-8")
