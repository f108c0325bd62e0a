"""Roles: who each diarized speaker is, which clip is a role's reference voice, who the role is.

needs  results/corpus, config/roles.tsv (who may speak in a work), config/speaker_decisions.tsv (people)
makes  results/roles/: identities, roles, pending.tsv, voices (rows and clips), profiles
"""

IDENTIFIERS = [model(name, "llm", "identify.llms") for name in config["identify"]["llms"]]
PLAYED = [row for row in ROLES if row["pool"]]
GIVEN = [local(row[key]) for row in PLAYED for key in ("script", "profile") if row[key]]
REFERENCE = [stage_model("choose_voices", name) for name in ("speaker", "diarization")]


rule identify:
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
        gpu=gpus(*IDENTIFIERS),
        mem_mb=memory_mb(4000, *IDENTIFIERS),
        runtime=60,
    params:
        llms=IDENTIFIERS,
        roles=ROLES,
        code=code("roles/identify", *IDENTIFIERS),
    script:
        "../scripts/roles/identify.py"


rule verify:
    input:
        identities="results/roles/identities.jsonl",
        turns=expand("results/corpus/turns/{batch}.jsonl", batch=BATCHES),
        decisions=project(config["speaker_decisions"]),
    output:
        speakers="results/roles/roles.jsonl",
        pending="results/roles/pending.tsv",
    log:
        "logs/verify.log",
    benchmark:
        "logs/verify.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=memory_mb(2000),
        runtime=60,
    params:
        media=MEDIA,
        roles=ROLES,
        unverified=config["verify"]["unverified"],
        code=code("roles/verify"),
    script:
        "../scripts/roles/verify.py"


rule choose_voices:
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
        gpu=gpus(*REFERENCE),
        mem_mb=memory_mb(2000, *REFERENCE),
        runtime=60,
    params:
        roles=PLAYED,
        speaker=REFERENCE[0],
        diarization=REFERENCE[1],
        code=code("roles/choose_voices", *REFERENCE),
    script:
        "../scripts/roles/choose_voices.py"


rule profile:
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
    localrule: asks_service(stage_model("profile", "llm"))
    conda:
        env_of(stage_model("profile", "llm"))
    threads: cores(stage_model("profile", "llm"))
    resources:
        gpu=gpus(stage_model("profile", "llm")),
        mem_mb=memory_mb(4000, stage_model("profile", "llm")),
        runtime=60,
    params:
        llm=stage_model("profile", "llm"),
        roles=ROLES,
        code=code(
            "roles/profile",
            stage_model("profile", "llm"),
            files=lambda wildcards: filter(os.path.isfile, GIVEN),
        ),
    script:
        "../scripts/roles/profile.py"


rule roles:
    input:
        rules.profile.output,
        rules.choose_voices.output,
        rules.verify.output,
