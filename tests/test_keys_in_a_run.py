"""A whole run with services that echo the key at every turn: none of its output contains it."""

from __future__ import annotations

import base64
import sqlite3
from urllib.parse import quote

import pytest
import yaml

from benchmarks import scale
from scripts.common.paths import ROOT
from scripts.common.tables import read_table
from scripts.paper.summary import summary
from scripts.services.keys import PIECE
from tests.servers.echo import MARK, Echo

CONFIG = [str(ROOT / path) for path in scale.CONFIG]
NAME = "ECHOED_KEY"
KEY = "sK4-q/Zv0a1B+2c3D=4e5F-6g7H.8i9J~KlMnOpQr-TaIl"
HEAD = KEY[:5]  # what is left where a text is cut within the key, and then cleaned
ROLE = "Luna"
TARGETS = ("--", "judging", "results/judging/judge/probes.jsonl", "table2", "judge_audit")
WRITE = {kind: {"English": f"config/prompts/write_{kind}_en.md"} for kind in ("single", "multi")}


@pytest.fixture(scope="module")
def run(tmp_path_factory, snakemake):
    """The folder of a run that was stopped once and then resumed to its end, with its report and
    all of Snakemake's output."""
    home = tmp_path_factory.mktemp("keys")
    paper = ROOT / "config/paper"
    roles = [row for row in read_table(paper / "roles.tsv", "roles") if row["role"] == ROLE]
    works = {row["work"] for row in roles}
    media = [row for row in read_table(paper / "media.tsv", "media") if row["work"] in works]
    for number, row in enumerate(media):
        scale.film(home / row["location"], number)
    with Echo() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME, KEY)
        # By a name: cookies of bare addresses are not looked at.
        address = server.address.replace("127.0.0.1", "localhost")
        service = {"model": "m", "address": address, "key": NAME}
        overlay = {
            "media": scale.table(home / "media.tsv", media),
            "roles": scale.table(home / "roles.tsv", roles),
            "models": {
                "writer": {"capability": "llm", "backend": "openai", **service},
                "talker": {"capability": "dialogue", "backend": "openai_audio", **service},
                "judge": {"backend": "openai_audio_judge", "order": "both", **service},
            },
            "shards": 1,
            "profile": {"llm": "writer", "prompts": {"English": "config/prompts/profile_en.md"}},
            "write": {"llm": "writer", "single": 2, "multi": 1, "prompts": WRITE},
            "split": {"single": 1, "multi": 1},
            "evaluate": ["talker"],
            "judge_audit": {"items": 1},
            "max_missing": 1.0,
        }
        (home / "echo.yaml").write_text(yaml.safe_dump(overlay))
        config = ("--configfile", *CONFIG, str(home / "echo.yaml"))
        printed = []
        for server.hopeless in (True, False):
            printed.append(snakemake(*config, *TARGETS, directory=home, ok=not server.hopeless))
        printed.append(snakemake(*config, "--report", "report.html", *TARGETS, directory=home))
        (home / "printed.txt").write_text("\n".join(printed), "utf-8")
    tables = [home / f"results/paper/{name}.md" for name in ("table2", "judge_audit")]
    summary(tables, home / "results/paper/summary.html", "All tables")
    return home


def in_base64(text: bytes) -> list[bytes]:
    """What the base64 of anything containing `text` contains: one of these, depending on its offset
    within three bytes."""
    parts = [text[start : start + (len(text) - start) // 3 * 3] for start in range(3)]
    return [base64.b64encode(part) for part in parts]


def forms() -> list[bytes]:
    """The forms of PIECE characters of the key in a file: plain, UTF-16, URL-escaped, base64; and
    its beginning."""
    found = {HEAD.encode()}
    for start in range(len(KEY) - PIECE + 1):
        window = KEY[start : start + PIECE]
        found |= {window.encode(), window.encode("utf-16-le"), quote(window, safe="").encode()}
        found |= set(in_base64(window.encode()))
    return sorted(found)


def test_no_eight_characters_of_the_key_are_left(run):
    known = forms()
    for file in run.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert [form for form in known if form in data] == [], file


def test_what_the_service_said_beside_it_is_there(run):
    """So the key would be: in the store, results, tables, their page, logs and on the screen."""
    with sqlite3.connect(run / "cache/calls.sqlite") as db:
        stages = {row[0] for row in db.execute("SELECT DISTINCT stage FROM attempts")}
        words = "\n".join(
            row[0] for row in db.execute("SELECT words FROM attempts WHERE words <> ''")
        )
        versions = {row[0] for row in db.execute("SELECT version FROM answers")}
    assert stages == {"profile", "write", "respond", "judge", "probe"}
    assert versions == {f"m-[{NAME}]"}
    told = ("sends us on", "401", "429", "500", "502", "503", "no JSON", "without a message")
    assert [part for part in (*told, "under HTTP 200", "no whole reply") if part not in words] == []
    marked = {
        str(file.relative_to(run))
        for file in run.rglob("*")
        if file.is_file() and MARK.encode() in file.read_bytes()
    }
    for place in (
        *("printed.txt", "cache/calls.sqlite", "results/dialogues/test/1-of-1.jsonl"),
        *("results/judging/judge/talker/1-of-1.jsonl", "results/judging/judge/probes.jsonl"),
        *("results/paper/table2.md", "results/paper/judge_audit.md", "results/paper/summary.html"),
    ):
        assert place in marked
    assert any(place.startswith(".snakemake/log/") for place in marked)
    log = (run / "logs/judge/judge/talker/1-of-1.log").read_text("utf-8")
    assert f"Illegal cookie name 'the [{NAME}]" in log
