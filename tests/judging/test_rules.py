"""The rules of judging: the inputs of a judge that calls a service, besides its replies."""

from __future__ import annotations

import re

PROMPTS = """
models:
  one: {capability: judge, backend: gemini, protocol: joint, prompt_joint: own.md}
  two: {capability: judge, backend: openai_audio_judge}
agree: [one, two]
"""


def inputs_of(printed: str) -> dict[tuple[str, str], str]:
    """(rule, judge) -> the inputs of each planned job with a judge."""
    jobs = [job.partition("\n\n")[0] for job in re.split(r"^(?:local)?rule ", printed, flags=re.M)]
    return {
        (job.partition(":")[0], judge[1]): re.search(r"^ +input: (.*)$", job, re.M)[1]
        for job in jobs
        if (judge := re.search(r"^ +wildcards: .*\bjudge=(\w+)", job, re.M))
    }


def test_the_prompt_in_use_is_an_input_of_judges_that_are_asked_in_words(snakemake, tmp_path):
    (tmp_path / "own.md").write_text("# System\n", "utf-8")
    (tmp_path / "judges.yaml").write_text(PROMPTS, "utf-8")
    printed = snakemake(
        *("-n", "judging", "judge_audit", "--configfile", str(tmp_path / "judges.yaml")),
        directory=tmp_path,
    )
    inputs = inputs_of(printed)
    for stage in ("judge", "probe"):
        own, usual, none = (
            {name for name in re.findall(r"[^ ,]+\.md", inputs[rule, judge])}
            for rule, judge in (
                (f"{stage}_by_service", "one"),
                (f"{stage}_by_service", "two"),
                (stage, "objective"),
            )
        )
        assert own == {"own.md"} and none == set()
        assert {name.rpartition("/")[2] for name in usual} == {"judge_per_metric.md"}
