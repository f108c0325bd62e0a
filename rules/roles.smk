"""Roles: who each diarized speaker is, which clip is a role's reference voice, who the role is.

needs  results/corpus, config/roles.tsv (who may speak in a work), config/speaker_decisions.tsv (people)
makes  results/roles/: identities, roles, pending.tsv, voices (rows and clips), profiles
"""

from scripts.roles.decisions import matched_earlier, read_decisions, refuse_contrary

IDENTIFIERS = [model(name, "llm", "identify.llms") for name in config["identify"]["llms"]]
PLAYED = [row for row in ROLES if row["pool"]]
GIVEN = [local(row[key]) for row in PLAYED for key in ("script", "profile") if row[key]]
REFERENCE = [stage_model("choose_voices", name) for name in ("speaker", "diarization")]
PROFILER = stage_model("profile", "llm")

with faults_told():
    DECISIONS = read_decisions(project(config["speaker_decisions"]), MEDIA, ROLES)


rule identify:
    """which role a speaker may be, by the language models"""
    input:
        recordings=expand("results/corpus/vocals/{batch}.jsonl", batch=BATCHES),
        turns=expand("results/corpus/turns/{batch}.jsonl", batch=BATCHES),
        segments=expand("results/corpus/segments/{batch}.jsonl", batch=BATCHES),
        transcripts=expand("results/corpus/transcripts/{batch}.jsonl", batch=BATCHES),
        english=project(config["identify"]["prompts"]["English"]),
        chinese=project(config["identify"]["prompts"]["Chinese"]),
        choice_english=project(config["identify"]["prompts_choice"]["English"]),
        choice_chinese=project(config["identify"]["prompts_choice"]["Chinese"]),
    output:
        identities="results/roles/identities.jsonl",
    log:
        "logs/identify.log",
    benchmark:
        "logs/identify.tsv"
    localrule: asks_service(*IDENTIFIERS)
    conda:
        env_of(*IDENTIFIERS)
    threads: cores(*IDENTIFIERS)
    resources:
        **job_resources(*IDENTIFIERS, mem_mb=4000, runtime=480),
    params:
        llms=IDENTIFIERS,
        roles=ROLES,
        code=code("roles/identify", *IDENTIFIERS),
    script:
        "../scripts/roles/identify.py"


rule pending:
    """what people should decide next about speakers: pending.tsv"""
    input:
        identities="results/roles/identities.jsonl",
        turns=expand("results/corpus/turns/{batch}.jsonl", batch=BATCHES),
        decisions=project(config["speaker_decisions"]),
    output:
        pending="results/roles/pending.tsv",
    log:
        "logs/pending.log",
    benchmark:
        "logs/pending.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        media=MEDIA,
        roles=ROLES,
        code=code("roles/pending"),
    script:
        "../scripts/roles/pending.py"


rule verify:
    """who each speaker is, by people's decisions"""
    input:
        ancient("results/roles/pending.tsv"),  # there even if a decision makes this fail
        identities="results/roles/identities.jsonl",
        turns=expand("results/corpus/turns/{batch}.jsonl", batch=BATCHES),
        decisions=project(config["speaker_decisions"]),
    output:
        speakers=update("results/roles/roles.jsonl"),
    log:
        "logs/verify.log",
    benchmark:
        "logs/verify.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        media=MEDIA,
        roles=ROLES,
        unverified=config["verify"]["unverified"],
        code=code("roles/verify"),
    script:
        "../scripts/roles/verify.py"


rule choose_voices:
    """a reference voice for each role"""
    input:
        speakers="results/roles/roles.jsonl",
        recordings=expand("results/corpus/vocals/{batch}.jsonl", batch=BATCHES),
        vocals=expand("results/corpus/vocals/{batch}", batch=BATCHES),
        turns=expand("results/corpus/turns/{batch}.jsonl", batch=BATCHES),
        segments=expand("results/corpus/segments/{batch}.jsonl", batch=BATCHES),
        quality=expand("results/corpus/quality/{batch}.jsonl", batch=BATCHES),
        transcripts=expand("results/corpus/transcripts/{batch}.jsonl", batch=BATCHES),
    output:
        voices="results/roles/voices.jsonl",
        clips=directory("results/roles/voices"),
        refused="results/roles/voices_refused.jsonl",
    log:
        "logs/choose_voices.log",
    benchmark:
        "logs/choose_voices.tsv"
    conda:
        env_of(*REFERENCE)
    threads: cores(*REFERENCE)
    resources:
        **job_resources(*REFERENCE, runtime=480),
    params:
        roles=PLAYED,
        speaker=REFERENCE[0],
        diarization=REFERENCE[1],
        nobody=config["choose_voices"]["nobody"],
        code=code("roles/choose_voices", *REFERENCE),
    script:
        "../scripts/roles/choose_voices.py"


rule profile:
    """a profile for each role"""
    input:
        list(filter(fits, GIVEN)),
        speakers="results/roles/roles.jsonl",
        voices="results/roles/voices.jsonl",
        recordings=expand("results/corpus/vocals/{batch}.jsonl", batch=BATCHES),
        segments=expand("results/corpus/segments/{batch}.jsonl", batch=BATCHES),
        transcripts=expand("results/corpus/transcripts/{batch}.jsonl", batch=BATCHES),
        english=project(config["profile"]["prompts"]["English"]),
        chinese=project(config["profile"]["prompts"]["Chinese"]),
    output:
        profiles="results/roles/profiles.jsonl",
    log:
        "logs/profile.log",
    benchmark:
        "logs/profile.tsv"
    localrule: asks_service(PROFILER)
    conda:
        env_of(PROFILER)
    threads: cores(PROFILER)
    resources:
        **job_resources(PROFILER, mem_mb=4000),
    params:
        llm=PROFILER,
        tokens=config["profile"]["tokens"],
        roles=ROLES,
        code=code(
            "roles/profile",
            PROFILER,
            files=lambda wildcards: filter(os.path.isfile, GIVEN),
        ),
    script:
        "../scripts/roles/profile.py"


rule roles:
    """phase 2: who speaks, reference voices, role profiles"""
    input:
        rules.profile.output,
        rules.choose_voices.output,
        rules.verify.output,
        rules.pending.output,
