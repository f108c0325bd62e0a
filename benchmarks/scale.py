"""Simulates the paper's scale: tests/config/scale.yaml on this machine (`make scale`; 30 minutes).

98 roles, 90 media, 157,000 dialogues written and some 111,000 kept, nine systems, 56,448 judge
calls, with dummy models (tests/backends/). Then one role with its own film is added, for which only
its items may reach the models; then one system, for which only its own jobs and those of the tables
may run. Runs in a temporary folder (TMPDIR; 10 GB).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile
import yaml

from benchmarks.figures import Figure, job_records, peak_gb, rows, show
from scripts.common.paths import ROOT
from scripts.common.tables import read_table
from scripts.rows.corpus import Segment, media_id
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.judging import Probe, Verdict
from scripts.rows.systems import Reply

SECONDS = 400  # of a medium: 80 turns
CONFIG = ("config/paper.yaml", "tests/config/scale.yaml")
ROLE, WORK = "newcomer", "A Film of Its Own"
NEXT = "system-10"


def main() -> int:
    """Print every figure; returns 0 if all targets are met, else 1."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        return show(figures(Path(folder)))


def figures(home: Path) -> Iterator[Figure]:
    media = read_table(ROOT / "config/paper/media.tsv", "media")
    roles = read_table(ROOT / "config/paper/roles.tsv", "roles")
    for number, row in enumerate(media):
        film(home / row["location"], number)
    seconds, planned = run(home, "--dry-run", "--quiet", "rules")
    yield Figure("jobs of the whole graph", total(planned), target="ours <= 2500")
    yield Figure("dry run (s)", seconds, target="ours < 15")
    seconds, _ = run(home)
    yield Figure("run (min)", seconds / 60, target="ours < 30")
    yield Figure("peak memory of a job (GB)", peak_gb(job_records(home)), target="ours < 2")
    first = asked(home)
    verdicts = rows(home, "judging/judge/*/*.jsonl", Verdict)
    calls = sum(len(row.trials) for row in verdicts)
    yield Figure("judge calls of the tables", calls, target="ours == 56448")
    yield Figure("dialogues kept", len(rows(home, "dialogues/kept/*.jsonl", Dialogue)))
    for name, folder in (("results", "results"), ("kept by the jobs", "cache")):
        files = [path.stat().st_size for path in (home / folder).rglob("*") if path.is_file()]
        yield Figure(f"files, {name} (thousands)", len(files) / 1000)
        yield Figure(f"GB, {name}", sum(files) / 1e9)

    medium = newcomer(home, media, roles)
    seconds, ran = run(home, "--configfile", *CONFIG, str(home / "role.yaml"))
    yield Figure("run with one more role (min)", seconds / 60)
    yield Figure("jobs for one more role", len(jobs(ran)))
    new, needed = asked(home) - first, expected(home, medium)
    for what in sorted(new | needed):
        yield Figure(f"items asked of models: {what}", new[what], needed[what], "ours <= peer")

    models = yaml.safe_load((ROOT / CONFIG[1]).read_text())
    (home / "system.yaml").write_text(yaml.safe_dump({"evaluate": [*models["evaluate"], NEXT]}))
    files = ("--configfile", *CONFIG, str(home / "role.yaml"), str(home / "system.yaml"))
    _, planned = run(home, *files, "--dry-run")
    others = [name for name, of in jobs(planned) if of != NEXT and not of_tables(name)]
    yield Figure("jobs for one more system", len(jobs(planned)))
    yield Figure("of them of another system", len(others), target="ours == 0")


def newcomer(home: Path, media: list[dict], roles: list[dict]) -> str:
    """Write role.yaml, an overlay that adds a role with its own film; returns the film's id."""
    film(home / "media/new.mkv", len(media))
    medium = {"media": WORK, "batch": "new", "work": WORK, "location": "media/new.mkv"}
    medium |= {"language": "English", "redistribute": "no", "licence": "ours"}
    person = {"role": ROLE, "name": "Newcomer", "category": "Movie", "language": "English"}
    person |= {"gender": "Female", "work": WORK, "pool": "train"}
    overlay = {
        "media": table(home / "media.tsv", [*media, medium]),
        "roles": table(home / "roles.tsv", [*roles, person]),
    }
    (home / "role.yaml").write_text(yaml.safe_dump(overlay))
    return media_id(medium)


def film(path: Path, seed: int) -> None:
    """A film of faint noise, SECONDS long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-99, 99, 16_000 * SECONDS, np.int16)
    sound = path.with_suffix(".flac")
    soundfile.write(sound, noise, 16_000)
    copy = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(sound), "-c", "copy")
    subprocess.run([*copy, str(path)], check=True)
    sound.unlink()


def run(home: Path, *arguments: str) -> tuple[float, str]:
    """Seconds that Snakemake takes in `home`, and its output; by default with CONFIG."""
    files = () if "--configfile" in arguments else ("--configfile", *CONFIG)
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "2", "all"]
    command += ["--directory", str(home), *files, *arguments]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        said = done.stdout + done.stderr
        sys.exit(f"{' '.join(command)}\n{said[max(0, said.find('Error')) :][:3000]}")
    return time.monotonic() - begun, done.stdout + done.stderr


def total(planned: str) -> int:
    """The total number of jobs in a dry run's output."""
    return int(re.findall(r"^total +(\d+)$", planned, re.MULTILINE)[-1])


def jobs(planned: str) -> list[tuple[str, str]]:
    """Rule and system of each job in the output of a run or dry run."""
    found = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", planned, re.MULTILINE)
    return [
        (name, (re.findall(r"wildcards: .*?system=([^,\n]+)", body) or [""])[0])
        for name, body in found
    ]


def of_tables(name: str) -> bool:
    """Whether a rule makes tables, figures or the probes for a table."""
    text = "".join(path.read_text("utf-8") for path in (ROOT / "rules").glob("*.smk"))
    blocks = re.split(r"^rule ", text, flags=re.MULTILINE)[1:]
    tables = {block.partition(":")[0] for block in blocks if '"../scripts/paper/' in block}
    return name in tables | {"paper", "speak_probes", "probe", "all"}


def asked(home: Path) -> Counter:
    """The number of items requested from the models in all runs so far."""
    found: Counter = Counter()
    for line in (home / "counted.tsv").read_text().splitlines():
        what, items = line.split("\t")
        found[what] += int(items)
    return found


def expected(home: Path, medium: str) -> Counter:
    """The number of items that the new role and its film need, derived from the resulting rows."""
    drafts = own(rows(home, "dialogues/drafts/*.jsonl", Dialogue))
    usable = [row for row in drafts if row.dropped is None]
    spoken = own(rows(home, "dialogues/speech/*/*.jsonl", Spoken))
    splits = [rows(home, f"dialogues/speech/{s}/*.jsonl", Spoken) for s in ("train", "test")]
    spoken_in = sum(bool(own(split)) for split in splits)
    clips = [r for r in rows(home, "corpus/segments/new.jsonl", Segment) if r.media == medium]
    speakers = {row.speaker for row in clips}
    replies = own(rows(home, "systems/*/*.jsonl", Reply))
    probes = own(rows(home, "judging/judge/probes.jsonl", Probe))
    verdicts = own(rows(home, "judging/judge/*/*.jsonl", Verdict))
    return Counter(
        {
            "separate": 1,
            "diarize": 1 + len(clips),
            "vad": 1,
            "rate": len(clips),
            "transcribe": len(clips),
            "speaker": len(clips),
            "generate": 1 + len(drafts) // 10,
            "choose": len(speakers) + len(usable),
            "embed": len(usable),
            "voice": spoken_in + bool(probes),  # each job has its own cache files
            "speak": sum(2 * len(row.turns) for row in spoken) + 2 * bool(probes),
            "reply": sum(len(row.turns) for row in replies),
            "judge": 2 * (len(verdicts) + len(probes)),
        }
    )


def own(found: list) -> list:
    return [row for row in found if row.role == ROLE]


def table(path: Path, rows: list[dict]) -> str:
    """Write a table with the first row's columns; cells may be missing. Returns its path."""
    header = list(rows[0])
    lines = ["\t".join(row.get(name, "") for name in header) for row in rows]
    path.write_text("\n".join(["\t".join(header), *lines, ""]), encoding="utf-8")
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
