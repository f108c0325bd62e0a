"""Full duplex: systems that hear and talk at once, in conversations with marked events.

needs  config/duplex (what scenarios and lines are made of), folders of further collections
makes  results/duplex/scenarios.jsonl: service roles, and seven questions to each
       results/duplex/choices.jsonl: the same as multiple choice
       results/duplex/items/{collection}/: the users' sides
       results/duplex/conversations/{talker}/{collection}/: the systems' sides
       results/duplex/transcripts/{talker}/{collection}.jsonl: when they talk, and their words
       results/duplex/scores/{talker}/{collection}.jsonl: one row an item, measure and form

Their tables are in rules/duplex_tables.smk.
"""

from scripts.duplex.ahead import check_measuring, check_settings
from scripts.duplex.measuring import ratings_of

DUPLEX = config["duplex"]
TALKERS = {name: model(name, "duplex", "duplex.systems") for name in DUPLEX["systems"]}
TALKERS_ASKING = [name for name, spec in TALKERS.items() if asks_service(spec)]
SIDES_RECORDED = DUPLEX["recorded"]
CALLERS = stage_model("duplex", "tts")  # speaks the users' sides
WRITES_SCENARIOS = [
    model(name, "llm", "duplex.scenarios.llm") for name in [DUPLEX["scenarios"]["llm"]] if name
]
RECOGNISERS = {name: model(name, "asr", "duplex.asr") for name in DUPLEX["asr"]}
EMBEDDERS = {name: model(name, "speaker", "duplex.speakers") for name in DUPLEX["speakers"]}
MEASURING = {
    "asr": [*RECOGNISERS.values()],
    "vad": stage_model("duplex", "vad"),
    "speakers": [*EMBEDDERS.values()],
    "llm": stage_model("duplex", "llm"),
}
HEARING = [*MEASURING["asr"], MEASURING["vad"]]
SCORING = [*MEASURING["speakers"], MEASURING["llm"]]
OWN_COLLECTIONS = ["service", "known"]
COLLECTIONS = [*OWN_COLLECTIONS, *DUPLEX["collections"]]

with faults_told():
    refuse_duplicates([*TALKERS, *SIDES_RECORDED], "duplex.systems and duplex.recorded")
    for name, own in SIDES_RECORDED.items():
        documents.refuse_unknown(own, COLLECTIONS, f"duplex.recorded.{name}")
    refuse_duplicates(COLLECTIONS, "duplex.collections")
    check_settings(DUPLEX, local)
    check_measuring(RECOGNISERS, EMBEDDERS)
    ratings_of(project(DUPLEX["ratings"]))
    documents.refuse_unknown(DUPLEX["figure"], [*TALKERS, *SIDES_RECORDED], "duplex.figure")

# A system that is run is in every collection; a recorded one where sides of it are.
HELD = [(name, collection) for name in TALKERS for collection in COLLECTIONS]
HELD += [(name, collection) for name, own in SIDES_RECORDED.items() for collection in own]
ITEMS = expand("results/duplex/items/{collection}.jsonl", collection=COLLECTIONS)
USERS = expand("results/duplex/items/{collection}", collection=COLLECTIONS)
# The files of all conversations, in one order.
held = lambda pattern: [pattern.format(talker=name, collection=own) for name, own in HELD]
CONVERSATIONS = held("results/duplex/conversations/{talker}/{collection}.jsonl")
SIDES = held("results/duplex/conversations/{talker}/{collection}")
DUPLEX_SCORES = held("results/duplex/scores/{talker}/{collection}.jsonl")
of_collection = lambda wildcards: DUPLEX["collections"].get(wildcards.collection, {})


wildcard_constraints:
    talker=one_of([*TALKERS, *SIDES_RECORDED]),
    collection=one_of(COLLECTIONS),


rule scenarios:
    """full duplex: service roles and their questions"""
    input:
        domains=project("config/duplex/domains.yaml"),
        service_roles=project("config/duplex/service_roles.tsv"),
        prompt=project(DUPLEX["scenarios"]["prompt"]),
    output:
        scenarios="results/duplex/scenarios.jsonl",
        choices="results/duplex/choices.jsonl",
        card="results/duplex/scenarios.md",
    log:
        "logs/scenarios.log",
    benchmark:
        "logs/scenarios.tsv"
    localrule: any(map(asks_service, WRITES_SCENARIOS))
    conda:
        env_of(*WRITES_SCENARIOS)
    threads: cores(*WRITES_SCENARIOS)
    resources:
        **job_resources(*WRITES_SCENARIOS),
    params:
        llm=WRITES_SCENARIOS[0] if WRITES_SCENARIOS else None,
        roles=DUPLEX["scenarios"]["roles"],
        seed=config["seed"],
        code=code("duplex/scenarios", *WRITES_SCENARIOS),
    script:
        "../scripts/duplex/scenarios.py"


rule speak_scenarios:
    """full duplex: the users' questions, spoken"""
    input:
        scenarios="results/duplex/scenarios.jsonl",
    output:
        item_rows="results/duplex/items/service.jsonl",
        audio=directory("results/duplex/items/service"),
    log:
        "logs/speak_scenarios.log",
    benchmark:
        "logs/speak_scenarios.tsv"
    localrule: asks_service(CALLERS)
    conda:
        env_of(CALLERS)
    threads: cores(CALLERS)
    resources:
        **job_resources(CALLERS),
    params:
        tts=CALLERS,
        roles=DUPLEX["scenarios"]["asked"],
        voices=DUPLEX["scenarios"]["voices"],
        seed=config["seed"],
        code=code("duplex/speak_scenarios", CALLERS),
    script:
        "../scripts/duplex/speak_scenarios.py"


rule compose:
    """full duplex: the users' sides with marked events"""
    input:
        lines=project("config/duplex/known.yaml"),
        role_prompts=project("config/duplex/role_prompts.yaml"),
    output:
        item_rows="results/duplex/items/known.jsonl",
        audio=directory("results/duplex/items/known"),
    log:
        "logs/compose.log",
    benchmark:
        "logs/compose.tsv"
    localrule: asks_service(CALLERS)
    conda:
        env_of(CALLERS)
    threads: cores(CALLERS)
    resources:
        **job_resources(CALLERS),
    params:
        tts=CALLERS,
        voices=DUPLEX["known"]["voices"],
        system_voice=DUPLEX["known"]["system_voice"],
        each=DUPLEX["known"]["each"],
        wait=DUPLEX["known"]["wait"],
        reply=DUPLEX["known"]["reply"],
        clean=DUPLEX["known"]["clean"],
        seed=config["seed"],
        code=code("duplex/compose", CALLERS),
    script:
        "../scripts/duplex/compose.py"


rule import_duplex:
    """the users' sides of another set of conversations"""
    input:
        role_prompts=project("config/duplex/role_prompts.yaml"),
    output:
        item_rows="results/duplex/items/{collection}.jsonl",
        audio=directory("results/duplex/items/{collection}"),
    log:
        "logs/import_duplex/{collection}.log",
    benchmark:
        "logs/import_duplex/{collection}.tsv"
    wildcard_constraints:
        collection=one_of(DUPLEX["collections"]),
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        name="{collection}",
        folder=lambda wildcards: local(of_collection(wildcards)["folder"]),
        layout=lambda wildcards: of_collection(wildcards)["layout"],
        task=lambda wildcards: of_collection(wildcards).get("task"),
        voice=lambda wildcards: (
            local(own) if (own := of_collection(wildcards).get("voice")) else None
        ),
        voice_text=lambda wildcards: of_collection(wildcards).get("voice_text", ""),
        code=code("duplex/import_duplex"),
    script:
        "../scripts/duplex/import_duplex.py"


rule converse:
    """a system's sides of a collection of conversations"""
    input:
        lambda wildcards: specs.adapters(TALKERS[wildcards.talker]),
        item_rows="results/duplex/items/{collection}.jsonl",
        user_audio="results/duplex/items/{collection}",
    output:
        conversations="results/duplex/conversations/{talker}/{collection}.jsonl",
        audio=directory("results/duplex/conversations/{talker}/{collection}"),
    log:
        "logs/converse/{talker}/{collection}.log",
    benchmark:
        "logs/converse/{talker}/{collection}.tsv"
    wildcard_constraints:
        talker=one_of(set(TALKERS) - set(TALKERS_ASKING)),
    conda:
        lambda wildcards: env_of(TALKERS[wildcards.talker])
    threads: lambda wildcards: cores(TALKERS[wildcards.talker])
    resources:
        **job_resources(lambda wildcards: TALKERS[wildcards.talker], mem_mb=4000, runtime=480),
    params:
        name="{talker}",
        duplex=lambda wildcards: TALKERS[wildcards.talker],
        seed=config["seed"],
        code=code("duplex/converse", lambda wildcards: TALKERS[wildcards.talker]),
    script:
        "../scripts/duplex/converse.py"


use rule converse as converse_by_service with:
    wildcard_constraints:
        talker=one_of(TALKERS_ASKING),
    localrule: True


rule import_conversations:
    """recorded sides of a system"""
    input:
        item_rows="results/duplex/items/{collection}.jsonl",
    output:
        conversations="results/duplex/conversations/{talker}/{collection}.jsonl",
        audio=directory("results/duplex/conversations/{talker}/{collection}"),
    log:
        "logs/import_conversations/{talker}/{collection}.log",
    benchmark:
        "logs/import_conversations/{talker}/{collection}.tsv"
    wildcard_constraints:
        talker=one_of(SIDES_RECORDED),
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        name="{talker}",
        folder=lambda wildcards: local(SIDES_RECORDED[wildcards.talker][wildcards.collection]),
        layout=lambda wildcards: of_collection(wildcards).get("layout"),
        task=lambda wildcards: of_collection(wildcards).get("task"),
        code=code("duplex/import_conversations"),
    script:
        "../scripts/duplex/import_conversations.py"


rule transcribe_duplex:
    """when a system talks and its words, by each recogniser"""
    input:
        item_rows="results/duplex/items/{collection}.jsonl",
        user_audio="results/duplex/items/{collection}",
        conversations="results/duplex/conversations/{talker}/{collection}.jsonl",
        audio="results/duplex/conversations/{talker}/{collection}",
    output:
        transcripts="results/duplex/transcripts/{talker}/{collection}.jsonl",
    log:
        "logs/transcribe_duplex/{talker}/{collection}.log",
    benchmark:
        "logs/transcribe_duplex/{talker}/{collection}.tsv"
    localrule: any(map(asks_service, HEARING))
    conda:
        env_of(*HEARING)
    threads: cores(*MEASURING["asr"])
    resources:
        **job_resources(*HEARING, mem_mb=4000, runtime=480),
    params:
        system="{talker}",
        asr=MEASURING["asr"],
        vad=MEASURING["vad"],
        code=code("duplex/transcribe_duplex", *HEARING),
    script:
        "../scripts/duplex/transcribe_duplex.py"


rule score_duplex:
    """how a system takes turns in a collection of conversations"""
    input:
        item_rows="results/duplex/items/{collection}.jsonl",
        user_audio="results/duplex/items/{collection}",
        transcripts="results/duplex/transcripts/{talker}/{collection}.jsonl",
        audio="results/duplex/conversations/{talker}/{collection}",
        prompt_interruption=project(DUPLEX["prompts"]["interruption"]),
        prompt_service=project(DUPLEX["prompts"]["service"]),
        prompt_behaviour=project(DUPLEX["prompts"]["behaviour"]),
        expected=project(DUPLEX["expected"]) if DUPLEX["expected"] else [],
    output:
        scores="results/duplex/scores/{talker}/{collection}.jsonl",
    log:
        "logs/score_duplex/{talker}/{collection}.log",
    benchmark:
        "logs/score_duplex/{talker}/{collection}.tsv"
    localrule: any(map(asks_service, SCORING))
    conda:
        env_of(*SCORING)
    threads: cores(*SCORING)
    resources:
        **job_resources(*SCORING, mem_mb=4000, runtime=480),
    params:
        system="{talker}",
        speakers=MEASURING["speakers"],
        llm=MEASURING["llm"],
        code=code("duplex/score_duplex", *SCORING),
    script:
        "../scripts/duplex/score_duplex.py"
