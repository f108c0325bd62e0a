"""Who owns an address, what it costs, what a run allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.backends.llm import vllm
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.common.tables import read_table
from scripts.services import addresses, requirements, settings
from scripts.services import prices as prices_
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

HEAD = "host\tmodel\tunit\tusd\tper\tdate\tsource\n"
ROW = "api.example.com\t{}\t{}\t{}\t1000000\t2026-01-01\tits page\n"


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000/v1", "http://localhost:1", "http://[::1]:80", "ws://127.0.0.2"],
)
def test_this_machine_is_ours(address):
    assert addresses.is_own(address)
    addresses.check_address(address, (), "llm/openai")


@pytest.mark.parametrize(
    "address, words",
    [
        ("http://api.example.com/v1", "is not encrypted"),
        ("https://10.0.0.7/v1", "on a private network"),
        ("https://169.254.169.254/latest", "on a private network"),
        ("https://gpu7/v1", "on a private network"),
        ("https://judge.internal/v1", "on a private network"),
        ("api.example.com", "is no address"),
        ("file:///etc/passwd", "is no address"),
        ("https://127.0.0.1.example.com@10.0.0.1/", "has a name, a password"),
        ("https://api.example.com@evil.example/", "address of evil.example has a name, a password"),
        ("https://evil.example#@api.example.com", "or other signs"),
        ("https://api.example.com\\@evil.example/", "or other signs"),
        ("https://10.1/", "write '10.0.0.1' for '10.1'"),
        ("https://0xa9.0xfe.0xa9.0xfe/", "write '169.254.169.254' for"),
        ("https://10.0.0.7./v1", "write '10.0.0.7' for"),
        ("https://10.0.0.7.nip.io/", "on a private network"),
        ("https://app-192-168-1-7.sslip.io/", "on a private network"),
        ("https://[::ffff:10.0.0.7]/", "on a private network"),
        ("https://judge.corp/", "on a private network"),
        ("https://0a000001.nip.io/", "on a private network"),
        ("https://[::10.0.0.7]/", "on a private network"),
        ("https://[64:ff9b::10.0.0.7]/", "on a private network"),
        ("https://[2002:a00:7::]/", "on a private network"),
        ("https://[::ffff:0:10.0.0.7]/", "on a private network"),
        ("https://224.0.0.1/", "on a private network"),
        ("https://[ff02::1]/", "on a private network"),
        ("https://\uff11\uff10.0.0.7/", "or other signs"),  # wide digits
        ("https://10\u30020\u30020\u30027/", "or other signs"),  # wide full stops
        ("https://%31%30.0.0.7/", "or other signs"),
        ("https://api.example.com%40evil.example/", "or other signs"),
        ("https://api.example.com?@evil.example/", "or other signs"),
        ("https://api..example.com/", "or other signs"),
        ("https://api.example.com:abc/", "is no address"),
        ("https://api.example.com:99999/", "is no address"),
        ("http://localhost:99999/", "is no address"),
        ("http://[::1", "is no address"),
    ],
)
def test_an_address_that_is_not_allowed_is_refused_with_a_way_out(address, words):
    assert not addresses.is_own(address)
    with pytest.raises(UserError, match=words) as error:
        addresses.check_address(address, (), "llm/openai")
    assert str(error.value).startswith("llm/openai: ")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "localhost."])
def test_this_machine_is_named_plainly_or_refused(host):
    """Programs do not agree on what such a host is."""
    with pytest.raises(UserError, match=f"write '(127.0.0.1|localhost)' for '{host}'"):
        addresses.check_address(f"http://{host}/v1", (), "llm/openai")


def test_a_server_of_ones_own_is_not_somebody_elses(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    addresses.must_be_own("http://127.0.0.1:8000/v1", "llm/vllm")
    with pytest.raises(UserError, match="llm/vllm: http://gpu.example.org:8000 is not encrypted"):
        addresses.must_be_own("http://gpu.example.org:8000", "llm/vllm")
    with pytest.raises(UserError, match="somebody else's server.*name 'gpu.example.org' in serv"):
        addresses.must_be_own("https://gpu.example.org", "llm/vllm")
    with pytest.raises(UserError, match="llm/vllm: https://gpu.example.org is somebody else's"):
        vllm.load("qwen", address="https://gpu.example.org")


def test_a_public_address_is_allowed_and_a_named_server_is_ours():
    addresses.check_address("https://api.example.com/v1", (), "llm/openai")
    assert not addresses.is_own("https://api.example.com/v1")
    addresses.check_address("http://gpu7:8000/v1", ("gpu7:8000",), "llm/openai")
    assert addresses.is_own("http://gpu7:8000/v1", ("gpu7",))
    assert not addresses.is_own("http://gpu7:9000/v1", ("gpu7:8000",))


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "prices.tsv"
    rows = [ROW.format("gpt-one", "input token", "2"), ROW.format("gpt-one", "output token", "8")]
    path.write_text(HEAD + "".join(rows), "utf-8")
    return path


def test_a_price_is_of_one_unit(table):
    prices = prices_.price(table, "https://api.example.com/v1", "gpt-one")
    used = {"input token": 1000, "output token": 100, "character": 0}
    assert prices_.cost(prices, used, "gpt-one") == pytest.approx(0.0028)


def test_what_has_no_price_is_not_bought(table):
    with pytest.raises(UserError, match="no price of 'gpt-on' .*did you mean 'gpt-one'"):
        prices_.price(table, "https://api.example.com/v1", "gpt-on")
    with pytest.raises(UserError, match="no price of 'gpt-one' at other.example.com"):
        prices_.price(table, "https://other.example.com/v1", "gpt-one")
    prices = prices_.price(table, "https://api.example.com/v1", "gpt-one")
    with pytest.raises(UserError, match="lack the unit 'input audio token'; did you mean"):
        prices_.cost(prices, {"input audio token": 1}, "gpt-one")


def test_a_malformed_price_is_refused_by_line(tmp_path):
    path = tmp_path / "prices.tsv"
    path.write_text(HEAD + ROW.format("gpt-one", "input token", "-2"), "utf-8")
    with pytest.raises(UserError, match="line 2"):
        prices_.price(path, "https://api.example.com/v1", "gpt-one")


def test_the_shipped_prices_are_well_formed():
    rows = read_table(ROOT / "config/prices.tsv", "prices")
    keys = [(row["host"], row["model"], row["unit"]) for row in rows]
    assert len(keys) == len(set(keys)) and keys


MOUNTS = """/dev/sda1 / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/net /mnt/net nfs4 rw 0 0
/dev/sdb1 /mnt/net/local\\040disk xfs rw 0 0
mds:/fs /scratch lustre rw 0 0
"""


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/mnt/net/me/run/cache/calls.sqlite", "nfs4"),
        ("/scratch/calls.sqlite", "lustre"),
        ("/mnt/net/local disk/calls.sqlite", None),
        ("/tmp/calls.sqlite", None),
        ("/mnt/network/calls.sqlite", None),
    ],
)
def test_a_store_on_a_network_file_system_is_refused(tmp_path, path, kind):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    if kind is None:
        requirements.check_store(Path(path), mounts)
    else:
        with pytest.raises(UserError, match=rf"network file system \({kind}\).*services.store"):
            requirements.check_store(Path(path), mounts)


def test_limits_are_of_a_model_or_the_default():
    config = {
        "max_usd": 5,
        "services": {
            **{"store": "a", "hosts": [], "prices": "b", "timeout": 1, "deadline": 1, "tries": 1},
            "resample": 1,
            "limits": {"default": {"at_once": 8, "rpm": None, "tpm": None}, "one": {"rpm": 150}},
        },
    }
    rules = settings.rules(config)
    assert rules.limits_of("one") == settings.Limits(8, 150, None)
    assert rules.limits_of("two") == settings.Limits(8, None, None)
    assert rules.max_usd == {"all": 5.0}


def test_a_limit_of_cost_is_a_number_or_one_a_stage():
    assert settings.caps(None) == {}
    assert settings.caps({"all": 3, "judge": None}) == {"all": 3.0}


def test_a_backend_with_a_key_is_a_service():
    objective = ModelSpec("judge", "objective")
    assert not specs.is_service(objective)
    here = {"address": "http://127.0.0.1:1"}
    service = ModelSpec("llm", "openai", here)
    inside = ModelSpec("dialogue", "cascade", {"llm": service})
    assert specs.is_service(service)
    assert specs.asks_service(inside) and not specs.asks_service(objective)


def test_cores_are_those_of_the_model_that_keeps_most_of_them_busy():
    """Those inside a model count; a service keeps one busy; without `threads`, two."""
    service = ModelSpec("llm", "openai")
    plain = ModelSpec("vad", "silero")
    wide = ModelSpec("llm", "openvino", {"threads": 6})
    inside = ModelSpec("dialogue", "cascade", {"llm": wide})
    asked = [specs.cores(*models) for models in ([service], [plain, service], [inside], [])]
    assert asked == [1, 2, 6, 1]
