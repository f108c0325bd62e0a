"""Systems: agents are fine-tuned, and every evaluated system answers the spoken test dialogues.

needs  results/dialogues/{train,test} and their speech, results/roles
makes  results/systems/finetune/{agent}/: the adapter of an agent
       results/systems/{system}/: replies (rows and speech)
"""

from scripts.systems.recorded import check_answers

AGENTS = {
    name: model(base, "dialogue", f"finetune.agents.{name}")
    for name, base in config["finetune"]["agents"].items()
}

for name, path in UNTRAINED.items():
    left_out = (
        f"evaluate: {name} needs {path}, and a benchmark has no dialogues to train it on; give "
        f"models.{name}.adapter the folder of a trained one"
    )
    if not ANSWERING:
        raise WorkflowError(f"{left_out}, or name another system.")
    NOTICES.append(f"{left_out}. It is left out.")

# A rule is local or not, so systems that ask a service have their own rule.
ASKING = [name for name, spec in SYSTEMS.items() if asks_service(spec)]


if BENCHMARK and not ANSWERING:
    NOTICES.append("No system is scored: `evaluate` and `released_replies` are empty.")

# Of a benchmark the questions are known, and recorded answers are held beside them at once.
with faults_told():
    if RECORDED and workflow.is_main_process:
        asked = RELEASE.questions(ROLES, config["only"]["items"]) if BENCHMARK else None
        for name, place in RECORDED.items():
            NOTICES += check_answers(Path(place), name, NAMES, asked, config["max_missing"])


wildcard_constraints:
    agent=one_of(AGENTS),


rule finetune:
    """an adapter of a system, trained on the dialogues for training"""
    input:
        train=dialogues_of("train"),
        spoken=dialogues_of("speech/train"),
        speech=expand("results/dialogues/speech/train/{shard}", shard=SHARDS),
        profiles="results/roles/profiles.jsonl",
        prompt_english=project(config["respond"]["prompts"]["English"]),
        prompt_chinese=project(config["respond"]["prompts"]["Chinese"]),
    output:
        examples="results/systems/finetune/{agent}/train.jsonl",
        adapter=directory("results/systems/finetune/{agent}/adapter"),
    log:
        "logs/finetune/{agent}.log",
    benchmark:
        "logs/finetune/{agent}.tsv"
    conda:
        lambda wildcards: env_of(AGENTS[wildcards.agent])
    threads: 8
    resources:
        **job_resources(mem_mb=200000, runtime=1440),
        # On SLURM threads are cut to the cores of the machine that submits; this is not.
        cpus_per_task=8,
        gpu=lambda wildcards: config["finetune"]["settings"]["gpus"]
        * specs.wants_gpu(AGENTS[wildcards.agent]),
    params:
        name="{agent}",
        checkpoints="results/systems/finetune/{agent}/checkpoints",
        dialogue=lambda wildcards: AGENTS[wildcards.agent],
        settings=config["finetune"]["settings"],
        seed=config["seed"],
        code=code("systems/finetune", lambda wildcards: AGENTS[wildcards.agent]),
    script:
        "../scripts/systems/finetune.py"


rule respond:
    """a system's replies to the test dialogues of a shard"""
    input:
        lambda wildcards: ADAPTERS[wildcards.system],
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
    wildcard_constraints:
        system=one_of(set(SYSTEMS) - set(ASKING)),
    conda:
        lambda wildcards: env_of(SYSTEMS[wildcards.system])
    threads: lambda wildcards: cores(SYSTEMS[wildcards.system])
    resources:
        **job_resources(lambda wildcards: SYSTEMS[wildcards.system], mem_mb=5000),
    params:
        name="{system}",
        dialogue=lambda wildcards: SYSTEMS[wildcards.system],
        code=code("systems/respond", lambda wildcards: SYSTEMS[wildcards.system]),
    script:
        "../scripts/systems/respond.py"


use rule respond as respond_by_service with:
    wildcard_constraints:
        system=one_of(ASKING),
    localrule: True


rule import_replies:
    """recorded replies of a system"""
    input:
        lambda wildcards: filter(fits, files_of_answers(wildcards.system)),
        test="results/dialogues/test/{shard}.jsonl",
    output:
        replies="results/systems/{system}/{shard}.jsonl",
        answers=directory("results/systems/{system}/{shard}"),
    log:
        "logs/import_replies/{system}/{shard}.log",
    benchmark:
        "logs/import_replies/{system}/{shard}.tsv"
    wildcard_constraints:
        system=one_of(RECORDED),
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        name="{system}",
        recorded=lambda wildcards: RECORDED[wildcards.system],
        names=NAMES,
        sets=len(SETS) if BENCHMARK else 1,
        code=code(
            "systems/import_replies",
            files=lambda wildcards: files_of_answers(wildcards.system),
        ),
    script:
        "../scripts/systems/import_replies.py"


rule export_inputs:
    """prompts and users' speech, for a system that runs elsewhere"""
    input:
        test=dialogues_of("test"),
        spoken=dialogues_of("speech/test"),
        speech=expand("results/dialogues/speech/test/{shard}", shard=SHARDS),
        profiles="results/roles/profiles.jsonl",
        voices="results/roles/voices.jsonl",
        clips="results/roles/voices",
        prompt_english=project(config["respond"]["prompts"]["English"]),
        prompt_chinese=project(config["respond"]["prompts"]["Chinese"]),
    output:
        inputs_json="results/systems/export/inputs.json",
        inputs_csv="results/systems/export/inputs.csv",
        audio=directory("results/systems/export/audio"),
    log:
        "logs/export_inputs.log",
    benchmark:
        "logs/export_inputs.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        sets=len(SETS) if BENCHMARK else 1,
        code=code("systems/export_inputs"),
    script:
        "../scripts/systems/export_inputs.py"


rule systems:
    """phase 4: the systems' replies to the test dialogues"""
    input:
        expand("results/systems/{system}/{shard}.jsonl", system=ANSWERING, shard=SHARDS),
