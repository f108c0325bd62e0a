"""Dialogues: written for each role, classified, deduplicated, split and spoken, by shard of roles.

needs  results/roles/profiles.jsonl and voices, config/prompts, config/test_items.tsv
makes  results/dialogues/: drafts = kept + dropped; train, out_of_domain, test; speech
"""

EMBEDDERS = {
    language: model(config["deduplicate"][language]["embedding"], "embedding", "deduplicate")
    for language in ("English", "Chinese")
}
WRITER = stage_model("write", "llm")
CLASSIFIER = stage_model("classify", "llm")
SPEAKERS = [model(config["speak"][key], "tts", f"speak.{key}") for key in ("tts", "user_tts")]
APART = SPEAKERS[0] != SPEAKERS[1]  # another model speaks the users' lines
CLASSIFIED = "results/dialogues/classified/{shard}.jsonl"
# The shards that a shard is compared with: itself, or all if roles are compared too.
WITHIN_ROLE = config["deduplicate"]["within"] == "role"
COMPARED = CLASSIFIED if WITHIN_ROLE else expand(CLASSIFIED, shard=SHARDS)

with faults_told():
    refer(project(config["test_items"]), "test_items", "role", ROLE_NAMES, config["roles"])


rule write:
    """the dialogues of a shard of roles"""
    input:
        profiles="results/roles/profiles.jsonl",
        voices="results/roles/voices.jsonl",
        single_english=project(config["write"]["prompts"]["single"]["English"]),
        single_chinese=project(config["write"]["prompts"]["single"]["Chinese"]),
        multi_english=project(config["write"]["prompts"]["multi"]["English"]),
        multi_chinese=project(config["write"]["prompts"]["multi"]["Chinese"]),
    output:
        drafts="results/dialogues/drafts/{shard}.jsonl",
    log:
        "logs/write/{shard}.log",
    benchmark:
        "logs/write/{shard}.tsv"
    localrule: asks_service(WRITER)
    conda:
        env_of(WRITER)
    threads: cores(WRITER)
    resources:
        **job_resources(WRITER, mem_mb=4000, runtime=1440),
    params:
        llm=WRITER,
        shard="{shard}",
        single=config["write"]["single"],
        multi=config["write"]["multi"],
        batch=config["write"]["batch"],
        attempts=config["write"]["attempts"],
        excerpts=config["write"]["excerpts"],
        tokens=config["write"]["tokens"],
        temperature=config["write"]["temperature"],
        seed=config["seed"],
        code=code("dialogues/write", WRITER),
    script:
        "../scripts/dialogues/write.py"


rule classify:
    """the task of each dialogue of a shard"""
    input:
        drafts="results/dialogues/drafts/{shard}.jsonl",
        prompt=project(config["classify"]["prompt"]),
        task_types=project("config/published/figure4_task_types.tsv"),
    output:
        classified=CLASSIFIED,
    log:
        "logs/classify/{shard}.log",
    benchmark:
        "logs/classify/{shard}.tsv"
    localrule: asks_service(CLASSIFIER)
    conda:
        env_of(CLASSIFIER)
    threads: cores(CLASSIFIER)
    resources:
        **job_resources(CLASSIFIER, mem_mb=4000, runtime=480),
    params:
        llm=CLASSIFIER,
        code=code("dialogues/classify", CLASSIFIER),
    script:
        "../scripts/dialogues/classify.py"


rule deduplicate:
    """the dialogues that are not nearly alike"""
    input:
        classified=COMPARED,
    output:
        kept="results/dialogues/kept/{shard}.jsonl",
        dropped="results/dialogues/dropped/{shard}.jsonl",
    log:
        "logs/deduplicate/{shard}.log",
    benchmark:
        "logs/deduplicate/{shard}.tsv"
    conda:
        env_of(*EMBEDDERS.values())
    threads: cores(*EMBEDDERS.values())
    resources:
        **job_resources(*EMBEDDERS.values()),
    params:
        embeddings=EMBEDDERS,
        thresholds={name: config["deduplicate"][name]["threshold"] for name in EMBEDDERS},
        compare=config["deduplicate"]["compare"],
        within=config["deduplicate"]["within"],
        shard="{shard}",
        code=code("dialogues/deduplicate", *EMBEDDERS.values()),
    script:
        "../scripts/dialogues/deduplicate.py"


rule split:
    """the dialogues for training, of other roles, and for the test"""
    input:
        kept="results/dialogues/kept/{shard}.jsonl",
        test_items=project(config["test_items"]),
    output:
        train="results/dialogues/train/{shard}.jsonl",
        out_of_domain="results/dialogues/out_of_domain/{shard}.jsonl",
        test="results/dialogues/test/{shard}.jsonl",
    log:
        "logs/split/{shard}.log",
    benchmark:
        "logs/split/{shard}.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        shard="{shard}",
        single=config["split"]["single"],
        multi=config["split"]["multi"],
        curated=not any(config["only"].values()),
        code=code("dialogues/split"),
    script:
        "../scripts/dialogues/split.py"


rule speak_users:
    """the users' lines of a shard, where another model speaks them"""
    input:
        dialogues="results/dialogues/{split}/{shard}.jsonl",
        voices="results/roles/voices.jsonl",
    output:
        users=temp("results/dialogues/speech/users/{split}/{shard}.jsonl"),
        users_speech=temp(directory("results/dialogues/speech/users/{split}/{shard}")),
    log:
        "logs/speak_users/{split}/{shard}.log",
    benchmark:
        "logs/speak_users/{split}/{shard}.tsv"
    localrule: asks_service(SPEAKERS[1])
    conda:
        env_of(SPEAKERS[1])
    threads: cores(SPEAKERS[1])
    resources:
        **job_resources(SPEAKERS[1]),
    params:
        user_tts=SPEAKERS[1],
        code=code("dialogues/speak_users", SPEAKERS[1]),
    script:
        "../scripts/dialogues/speak_users.py"


rule speak:
    """the dialogues of a shard as speech"""
    input:
        dialogues="results/dialogues/{split}/{shard}.jsonl",
        voices="results/roles/voices.jsonl",
        clips="results/roles/voices",
        users=["results/dialogues/speech/users/{split}/{shard}.jsonl"] if APART else [],
        users_speech=["results/dialogues/speech/users/{split}/{shard}"] if APART else [],
    output:
        spoken="results/dialogues/speech/{split}/{shard}.jsonl",
        speech=directory("results/dialogues/speech/{split}/{shard}"),
    log:
        "logs/speak/{split}/{shard}.log",
    benchmark:
        "logs/speak/{split}/{shard}.tsv"
    localrule: asks_service(SPEAKERS[0])
    conda:
        env_of(SPEAKERS[0])
    threads: cores(SPEAKERS[0])
    resources:
        **job_resources(SPEAKERS[0], runtime=1440),
    params:
        tts=SPEAKERS[0],
        code=code("dialogues/speak", SPEAKERS[0]),
    script:
        "../scripts/dialogues/speak.py"


rule dialogues:
    """phase 3: written, deduplicated, split and spoken dialogues"""
    input:
        expand("results/dialogues/dropped/{shard}.jsonl", shard=SHARDS),
        expand("results/dialogues/speech/{split}/{shard}.jsonl", split=SPLITS, shard=SHARDS),
