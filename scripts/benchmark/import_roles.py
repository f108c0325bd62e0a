"""Takes the released roles: reference voices with what they say, and role profiles.

Instead of choose_voices and profile. A profile is the role's file if there is one, else what its
system prompts have before the script; lines and excerpts are from its script if there is one, else
from the contexts of its test dialogues.
"""

from pathlib import Path

from scripts.benchmark.released import Released
from scripts.rows.jsonl import write_rows
from scripts.rows.roles import Voice
from scripts.workflow import stage


def import_roles(
    profiles: Path,
    voices: Path,
    clips: Path,
    roles: list[dict],
    names: dict[str, str],
    folders: dict[str, str | None],
) -> None:
    """Write a Profile and a Voice row for each of `roles`, rows of roles.tsv, and the clips.

    `folders` are those of the config (benchmark, voices, profiles, scripts), `names` those of all
    known roles. Raises UserError for a file that is missing or cannot be read.
    """
    released = Released(folders, roles, names)
    clips.mkdir(parents=True, exist_ok=True)
    people, spoken = [], []
    for row in sorted(roles, key=lambda row: row["role"]):
        people.append(released.profile(row))
        clip, text = released.voice(row["role"])
        seconds, _, suffix = clip.header()
        clip.copy(clips / f"{row['role']}{suffix}")
        spoken.append(
            Voice(
                role=row["role"],
                language=row["language"],
                segment="",
                media="",
                file=f"{row['role']}{suffix}",
                start=0.0,
                end=seconds,
                text=text,
                similarity=None,
                clips=1,
                others=[],
                synthetic=False,
                redistribute=False,
                flags=["released with the benchmark"],
            )
        )
    write_rows(profiles, people)
    write_rows(voices, spoken)


if __name__ == "__main__":
    stage.run(import_roles, globals().get("snakemake"))
