"""Systems: every evaluated system answers the spoken test dialogues.

needs  results/dialogues/test and its speech, results/roles
makes  results/systems/{system}/: replies (rows and speech)
"""


rule respond:
    input:
        test="results/dialogues/test/{shard}.jsonl",
        spoken="results/dialogues/speech/test/{shard}.jsonl",
        speech="results/dialogues/speech/test/{shard}",
        profiles="results/roles/profiles.jsonl",
        voices="results/roles/voices.jsonl",
        clips="results/roles/voices",
        prompt_english=project(config["respond"]["prompts"]["English"]),
        prompt_chinese=project(config["respond"]["prompts"]["Chinese"]),
    output:
        replies="results/systems/{system}/{shard}.jsonl",
        answers=directory("results/systems/{system}/{shard}"),
    log:
        "logs/respond/{system}/{shard}.log",
    benchmark:
        "logs/respond/{system}/{shard}.tsv"
    conda:
        lambda wildcards: env_of(SYSTEMS[wildcards.system])
    threads: 2
    resources:
        gpu=lambda wildcards: gpus(SYSTEMS[wildcards.system]),
        mem_mb=5000,
        runtime=60,
    params:
        name="{system}",
        system=lambda wildcards: SYSTEMS[wildcards.system],
        code=lambda wildcards: code("systems/respond", SYSTEMS[wildcards.system]),
    script:
        "../scripts/systems/respond.py"


rule systems:
    input:
        expand("results/systems/{system}/{shard}.jsonl", system=SYSTEMS, shard=SHARDS),
