"""Training of full-duplex systems: material, its preflight, adapters, and the table of them.

needs  config/duplex/training.yaml (what the dialogues are made of), results/duplex/scenarios.jsonl
makes  results/duplex/training/material.jsonl and material/: dialogues in stereo, with a data card
       results/duplex/training/{tuned}/: a preflight, checkpoints and the adapter
       results/paper/: duplex_table5 (csv, md, tex)

Nothing is made or trained unless a system in `duplex.systems` has such an adapter.
"""

TRAINING = DUPLEX["training"]
TUNED = {
    name: model(own["base"], "duplex", f"duplex.training.adapters.{name}.base")
    for name, own in TRAINING["adapters"].items()
}
WRITES_DIALOGUES = [
    model(name, "llm", "duplex.training.material.llm")
    for name in [TRAINING["material"]["llm"]]
    if name
]
UNTUNED = [name for name, spec in TALKERS.items() if spec.backend == "moshi"]
ADAPTED = {name: specs.adapters(spec) for name, spec in TALKERS.items() if specs.adapters(spec)}


rule train_material:
    """full duplex: dialogues to train a system on"""
    input:
        templates=project("config/duplex/training.yaml"),
        role_prompts=project("config/duplex/role_prompts.yaml"),
        scenarios="results/duplex/scenarios.jsonl",
        known=project("config/duplex/known.yaml"),
        prompt=project(TRAINING["material"]["prompt"]),
    output:
        material="results/duplex/training/material.jsonl",
        audio=directory("results/duplex/training/material"),
        card="results/duplex/training/material.md",
    log:
        "logs/train_material.log",
    benchmark:
        "logs/train_material.tsv"
    localrule: any(map(asks_service, [CALLERS, *WRITES_DIALOGUES]))
    conda:
        env_of(CALLERS, *WRITES_DIALOGUES)
    threads: cores(CALLERS, *WRITES_DIALOGUES)
    resources:
        **job_resources(CALLERS, *WRITES_DIALOGUES, runtime=1440),
    params:
        service=TRAINING["material"]["service"],
        questions=TRAINING["material"]["questions"],
        gaps=TRAINING["material"]["gaps"],
        held_out=TRAINING["material"]["held_out"],
        tts=CALLERS,
        llm=WRITES_DIALOGUES[0] if WRITES_DIALOGUES else None,
        acoustic=TRAINING["settings"]["acoustic"],
        padding=TRAINING["settings"]["padding"],
        seed=config["seed"],
        code=code("duplex/train_material", CALLERS, *WRITES_DIALOGUES),
    script:
        "../scripts/duplex/train_material.py"


rule check_material:
    """whether material for training is as its rules say"""
    input:
        material="results/duplex/training/material.jsonl",
        audio="results/duplex/training/material",
        scenarios="results/duplex/scenarios.jsonl",
    output:
        report="results/duplex/training/{tuned}/preflight.json",
        page="results/duplex/training/{tuned}/preflight.md",
    log:
        "logs/check_material/{tuned}.log",
    benchmark:
        "logs/check_material/{tuned}.tsv"
    wildcard_constraints:
        tuned=one_of(TUNED),
    conda:
        lambda wildcards: env_of(TUNED[wildcards.tuned])
    threads: lambda wildcards: cores(TUNED[wildcards.tuned])
    resources:
        **job_resources(lambda wildcards: TUNED[wildcards.tuned], mem_mb=16000),
    params:
        gate=TRAINING["check"]["gate"],
        heard=TRAINING["check"]["heard"],
        duplex=lambda wildcards: TUNED[wildcards.tuned],
        settings=TRAINING["settings"],
        seed=config["seed"],
        code=code("duplex/check_material", lambda wildcards: TUNED[wildcards.tuned]),
    script:
        "../scripts/duplex/check_material.py"


rule finetune_duplex:
    """an adapter of a full-duplex system"""
    input:
        material="results/duplex/training/material.jsonl",
        audio="results/duplex/training/material",
        report="results/duplex/training/{tuned}/preflight.json",
    output:
        adapter=directory("results/duplex/training/{tuned}/adapter"),
    log:
        "logs/finetune_duplex/{tuned}.log",
    benchmark:
        "logs/finetune_duplex/{tuned}.tsv"
    wildcard_constraints:
        tuned=one_of(TUNED),
    conda:
        lambda wildcards: env_of(TUNED[wildcards.tuned])
    threads: 4
    resources:
        **job_resources(lambda wildcards: TUNED[wildcards.tuned], mem_mb=32000, runtime=5760),
    params:
        name="{tuned}",
        checkpoints="results/duplex/training/{tuned}/checkpoints",
        duplex=lambda wildcards: TUNED[wildcards.tuned],
        settings=TRAINING["settings"],
        share=lambda wildcards: TRAINING["adapters"][wildcards.tuned]["share"],
        seed=config["seed"],
        code=code("duplex/finetune_duplex", lambda wildcards: TUNED[wildcards.tuned]),
    script:
        "../scripts/duplex/finetune_duplex.py"


rule duplex_table5:
    """PersonaPlex, Table 5: adapters by their share of the data"""
    input:
        published=published("duplex_table5"),
        adapters=[paths[0] for paths in ADAPTED.values()],
        scores=[
            f"results/duplex/scores/{name}/{own}.jsonl"
            for name, own in HELD
            if name in [*ADAPTED, *UNTUNED]
        ],
    output:
        table_csv="results/paper/duplex_table5.csv",
        table_md="results/paper/duplex_table5.md",
        table_tex="results/paper/duplex_table5.tex",
    log:
        "logs/duplex_table5.log",
    benchmark:
        "logs/duplex_table5.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        systems=[*ADAPTED],
        bases=UNTUNED,
        speakers=MEASURING["speakers"],
        asr=MEASURING["asr"],
        llm=MEASURING["llm"],
        code=code("paper/duplex_table5"),
    script:
        "../scripts/paper/duplex_table5.py"
