"""Judging: each reply is scored beside the reference, metric by metric; the judge is probed.

needs  results/systems, results/dialogues/test and its speech (the reference), results/roles
makes  results/judging/{judge}/{system}/: one row an item and metric
       results/judging/sentences.jsonl: what is added to replies when judges are probed
       results/judging/{judge}/probes.jsonl: one row an item, probe and metric
"""

# A rule is local or not, so judges that ask a service have their own rule.
JUDGES_ASKING = [name for name, spec in JUDGES.items() if asks_service(spec)]
PROBING = stage_model("judge_audit", "tts")  # speaks the sentences added to replies
REPLIES = expand("results/systems/{system}/{shard}.jsonl", system=ANSWERING, shard=SHARDS)

VERDICTS = "results/judging/{judge}/{system}/{shard}.jsonl"
# The files of one judge or of several.
verdicts_of = lambda judges: expand(VERDICTS, judge=judges, system=ANSWERING, shard=SHARDS)
# The prompt file of each prompted judge; other judges have none.
PROTOCOLS = {name: specs.option(judge, "protocol") for name, judge in JUDGES.items()}
PROMPTS = {
    name: [project(specs.option(JUDGES[name], f"prompt_{protocol}"))] if protocol else []
    for name, protocol in PROTOCOLS.items()
}

with faults_told():
    METRICS = [row["id"] for row in table("metrics", "metrics", "id")]
    specs.refuse_unscored(JUDGES[config["judge"]], project(config["metrics"]))


rule judge:
    """a judge's scores of the replies of a system and shard"""
    input:
        lambda wildcards: PROMPTS[wildcards.judge],
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
        verdicts=VERDICTS,
    log:
        "logs/judge/{judge}/{system}/{shard}.log",
    benchmark:
        "logs/judge/{judge}/{system}/{shard}.tsv"
    wildcard_constraints:
        judge=one_of(set(JUDGES) - set(JUDGES_ASKING)),
    conda:
        lambda wildcards: env_of(JUDGES[wildcards.judge])
    threads: lambda wildcards: cores(JUDGES[wildcards.judge])
    resources:
        **job_resources(lambda wildcards: JUDGES[wildcards.judge], mem_mb=5000),
    params:
        name="{judge}",
        judge=lambda wildcards: JUDGES[wildcards.judge],
        # One cache for all systems: they share the reference of an item.
        kept_in="judge/{judge}/{shard}",
        code=code("judging/judge", lambda wildcards: JUDGES[wildcards.judge]),
    script:
        "../scripts/judging/judge.py"


use rule judge as judge_by_service with:
    wildcard_constraints:
        judge=one_of(JUDGES_ASKING),
    localrule: True


rule speak_probes:
    """sentences for judge_audit, spoken"""
    input:
        replies=REPLIES,
        answers=expand("results/systems/{system}/{shard}", system=ANSWERING, shard=SHARDS),
        test=expand("results/dialogues/test/{shard}.jsonl", shard=SHARDS),
        spoken=expand("results/dialogues/speech/test/{shard}.jsonl", shard=SHARDS),
        speech=expand("results/dialogues/speech/test/{shard}", shard=SHARDS),
        voices="results/roles/voices.jsonl",
        clips="results/roles/voices",
    output:
        sentences="results/judging/sentences.jsonl",
        sentences_speech=directory("results/judging/sentences"),
    log:
        "logs/speak_probes.log",
    benchmark:
        "logs/speak_probes.tsv"
    localrule: asks_service(PROBING)
    conda:
        env_of(PROBING)
    threads: cores(PROBING)
    resources:
        **job_resources(PROBING),
    params:
        tts=PROBING,
        number=config["judge_audit"]["items"],
        code=code("judging/speak_probes", PROBING),
    script:
        "../scripts/judging/speak_probes.py"


rule probe:
    """a judge's scores of altered pairs"""
    input:
        lambda wildcards: PROMPTS[wildcards.judge],
        replies=REPLIES,
        answers=expand("results/systems/{system}/{shard}", system=ANSWERING, shard=SHARDS),
        test=expand("results/dialogues/test/{shard}.jsonl", shard=SHARDS),
        spoken=expand("results/dialogues/speech/test/{shard}.jsonl", shard=SHARDS),
        speech=expand("results/dialogues/speech/test/{shard}", shard=SHARDS),
        profiles="results/roles/profiles.jsonl",
        voices="results/roles/voices.jsonl",
        clips="results/roles/voices",
        metrics=project(config["metrics"]),
        sentences="results/judging/sentences.jsonl",
        sentences_speech="results/judging/sentences",
    output:
        probes="results/judging/{judge}/probes.jsonl",
    log:
        "logs/probe/{judge}.log",
    benchmark:
        "logs/probe/{judge}.tsv"
    wildcard_constraints:
        judge=one_of(set(JUDGES) - set(JUDGES_ASKING)),
    conda:
        lambda wildcards: env_of(JUDGES[wildcards.judge])
    threads: lambda wildcards: cores(JUDGES[wildcards.judge])
    resources:
        **job_resources(lambda wildcards: JUDGES[wildcards.judge], mem_mb=5000),
    params:
        name="{judge}",
        judge=lambda wildcards: JUDGES[wildcards.judge],
        number=config["judge_audit"]["items"],
        code=code("judging/probe", lambda wildcards: JUDGES[wildcards.judge]),
    script:
        "../scripts/judging/probe.py"


use rule probe as probe_by_service with:
    wildcard_constraints:
        judge=one_of(JUDGES_ASKING),
    localrule: True


rule judging:
    """phase 5: the judges' scores"""
    input:
        verdicts_of(JUDGES),
