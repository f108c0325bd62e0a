"""Judging: each reply is scored beside the reference, metric by metric.

needs  results/systems, results/dialogues/test and its speech (the reference), results/roles
makes  results/judging/{judge}/{system}/: a row an item and metric
"""


rule judge:
    input:
        replies="results/systems/{system}/{shard}.jsonl",
        answers="results/systems/{system}/{shard}",
        test="results/dialogues/test/{shard}.jsonl",
        spoken="results/dialogues/speech/test/{shard}.jsonl",
        speech="results/dialogues/speech/test/{shard}",
        profiles="results/roles/profiles.jsonl",
        voices="results/roles/voices.jsonl",
        clips="results/roles/voices",
        metrics=project(config["metrics"]),
    output:
        verdicts="results/judging/{judge}/{system}/{shard}.jsonl",
    log:
        "logs/judge/{judge}/{system}/{shard}.log",
    benchmark:
        "logs/judge/{judge}/{system}/{shard}.tsv"
    conda:
        env_of(JUDGE)
    threads: cores(JUDGE)
    resources:
        gpu=gpus(JUDGE),
        mem_mb=5000,
        runtime=60,
    params:
        name="{judge}",
        backend=JUDGE,
        code=code("judging/judge", JUDGE),
    script:
        "../scripts/judging/judge.py"


rule judging:
    input:
        expand(
            "results/judging/{judge}/{system}/{shard}.jsonl",
            judge=config["judge"],
            system=SYSTEMS,
            shard=SHARDS,
        ),
