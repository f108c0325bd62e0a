"""Archives and programs stay within their limits on unpacked and written bytes."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.media import unpack_limits

WRITES = """import sys
with open(sys.argv[1], "wb") as file:
    file.write(bytes(int(sys.argv[2])))
"""


@given(st.lists(st.integers(0, 10**9), max_size=8), st.integers(0, 10**8), st.integers(0, 10**10))
def test_sizes_are_added_up(tmp_path_factory, sizes, packed, largest):
    archive = tmp_path_factory.mktemp("a") / "a.whl"
    archive.touch()
    with archive.open("r+b") as file:
        file.truncate(packed)  # no disk is used for it
    most = min(largest, max(unpack_limits.SMALL, unpack_limits.RATIO * packed))
    if sum(sizes) <= most:
        unpack_limits.check_unpacked(archive, sizes, largest)
    else:
        with pytest.raises(UserError, match=r"a\.whl .* unpacks to more than .* is not unpacked"):
            unpack_limits.check_unpacked(archive, sizes, largest)


def test_a_list_without_an_end_is_left_early(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    read = []

    def endless(size):
        while True:
            read.append(size)
            yield size

    with pytest.raises(UserError, match="more than 105 MB"):
        unpack_limits.check_unpacked(tmp_path / "a", endless(10**8), 10**12)
    assert len(read) == 2
    with pytest.raises(UserError, match="more than 200000 files"):
        unpack_limits.check_unpacked(tmp_path / "a", [0] * (unpack_limits.FILES + 1), 10**12)


@pytest.mark.parametrize(("size", "whole"), [(1000, True), (5000, False)])
def test_a_program_writes_no_more_than_it_may(tmp_path, size, whole):
    command = [sys.executable, "-c", WRITES, str(tmp_path / "out"), str(size)]
    done = unpack_limits.run(command, 2000)
    assert (done.returncode == 0) == whole and ("File too large" in done.stderr) != whole
    assert (tmp_path / "out").stat().st_size <= 2000


def test_what_a_program_tells_and_how_it_ends_comes_back(tmp_path):
    code = "import os, sys; print(os.getcwd()); sys.stderr.write('no'); sys.exit(3)"
    done = unpack_limits.run([sys.executable, "-c", code], 2000, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (3, str(tmp_path), "no")
    with pytest.raises(FileNotFoundError):
        unpack_limits.run(["no-such-program"], 2000)


def test_a_program_that_takes_too_long_is_ended():
    with pytest.raises(subprocess.TimeoutExpired):
        unpack_limits.run([sys.executable, "-c", "import time; time.sleep(60)"], 2000, timeout=0.5)
