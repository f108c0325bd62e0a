"""Paper: every table and figure, this run's figures beside the printed ones, each labelled.

needs  config/published (what the paper prints) and, each rule, only the rows it counts
makes  results/paper/: table1..table7, corpus_quality, differences, agree, judge_audit, compare and
       errata (csv, md, tex), figure2 (md, tex), figure3..figure5 (csv, pdf, svg, png)
"""

try:
    RATINGS = table("human_ratings", "human_ratings")
except UserError as error:
    raise WorkflowError(str(error)) from None

# Scores that were released stand in for a run: nothing is made, only they are read.
try:
    RELEASED = [
        str(file) for path in config["released_scores"] for file in files_of(Path(project(path)))
    ]
except UserError as error:
    raise WorkflowError(str(error)) from None

SHIPPED_SCORES = sorted(map(str, Path(project("config/published")).glob("released_scores_*.csv")))
VERDICTS = verdicts_of(config["judge"])
SPOKEN = expand("results/dialogues/speech/{split}/{shard}.jsonl", split=SPLITS, shard=SHARDS)
ABLATIONS = {
    ablated: whole
    for ablated, whole in config["ablations"].items()
    if ablated in SYSTEMS and whole in SYSTEMS
}
ROLE_NAMES = [row["role"] for row in ROLES]


rule table1:
    input:
        published=published("table1"),
        train=dialogues_of("train"),
        out_of_domain=dialogues_of("out_of_domain"),
        test=dialogues_of("test"),
        spoken=SPOKEN,
    output:
        table_csv="results/paper/table1.csv",
        table_md=shown("results/paper/table1.md", "Tables"),
        table_tex="results/paper/table1.tex",
    log:
        "logs/table1.log",
    benchmark:
        "logs/table1.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        code=code("paper/table1"),
    script:
        "../scripts/paper/table1.py"


rule table2:
    input:
        published=published("table2"),
        verdicts=[] if RELEASED else VERDICTS,
        released=RELEASED,
        published_roles=published("roles"),
        replies=[] if RELEASED else REPLIES,
        test=[] if RELEASED else dialogues_of("test"),
    output:
        table_csv="results/paper/table2.csv",
        table_md=shown("results/paper/table2.md", "Tables"),
        table_tex="results/paper/table2.tex",
    log:
        "logs/table2.log",
    benchmark:
        "logs/table2.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        systems={} if RELEASED else SYSTEMS,
        roles=ROLES,
        max_missing=config["max_missing"],
        ablations={} if RELEASED else ABLATIONS,
        code=code("paper/table2"),
    script:
        "../scripts/paper/table2.py"


rule table3:
    input:
        published=published("table3"),
        verdicts=[] if RELEASED else VERDICTS,
        released=RELEASED,
        published_roles=published("roles"),
        replies=[] if RELEASED else REPLIES,
        test=[] if RELEASED else dialogues_of("test"),
    output:
        table_csv="results/paper/table3.csv",
        table_md=shown("results/paper/table3.md", "Tables"),
        table_tex="results/paper/table3.tex",
    log:
        "logs/table3.log",
    benchmark:
        "logs/table3.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        systems={} if RELEASED else SYSTEMS,
        roles=ROLES,
        max_missing=config["max_missing"],
        code=code("paper/table3"),
    script:
        "../scripts/paper/table3.py"


rule table4:
    input:
        published=published("table4"),
        ratings=project(config["human_ratings"]),
    output:
        table_csv="results/paper/table4.csv",
        table_md=shown("results/paper/table4.md", "Tables"),
        table_tex="results/paper/table4.tex",
    log:
        "logs/table4.log",
    benchmark:
        "logs/table4.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        systems=list(SYSTEMS),
        roles=ROLE_NAMES,
        code=code("paper/table4"),
    script:
        "../scripts/paper/table4.py"


rule table5:
    input:
        published=published("table5"),
        human=published("table4"),
        automatic=published("table2"),
        ratings=project(config["human_ratings"]),
        verdicts=VERDICTS if RATINGS else [],
    output:
        table_csv="results/paper/table5.csv",
        table_md=shown("results/paper/table5.md", "Tables"),
        table_tex="results/paper/table5.tex",
    log:
        "logs/table5.log",
    benchmark:
        "logs/table5.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        systems=list(SYSTEMS),
        roles=ROLE_NAMES,
        code=code("paper/table5"),
    script:
        "../scripts/paper/table5.py"


rule table6:
    input:
        published=published("roles"),
    output:
        table_csv="results/paper/table6.csv",
        table_md=shown("results/paper/table6.md", "Tables"),
        table_tex="results/paper/table6.tex",
    log:
        "logs/table6.log",
    benchmark:
        "logs/table6.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        roles=ROLES,
        media=MEDIA,
        code=code("paper/table6"),
    script:
        "../scripts/paper/table6.py"


rule table7:
    input:
        published=published("roles"),
    output:
        table_csv="results/paper/table7.csv",
        table_md=shown("results/paper/table7.md", "Tables"),
        table_tex="results/paper/table7.tex",
    log:
        "logs/table7.log",
    benchmark:
        "logs/table7.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        roles=ROLES,
        media=MEDIA,
        code=code("paper/table7"),
    script:
        "../scripts/paper/table7.py"


rule figure2:
    input:
        task_types=published("figure4_task_types"),
        test=dialogues_of("test"),
    output:
        figure_md=shown("results/paper/figure2.md", "Figures"),
        figure_tex="results/paper/figure2.tex",
    log:
        "logs/figure2.log",
    benchmark:
        "logs/figure2.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        roles=ROLES,
        code=code("paper/figure2"),
    script:
        "../scripts/paper/figure2.py"


rule figure3:
    input:
        published=published("figure3_ranges"),
        spoken=SPOKEN,
    output:
        figure_csv="results/paper/figure3.csv",
        figure_pdf="results/paper/figure3.pdf",
        figure_svg=shown("results/paper/figure3.svg", "Figures"),
        figure_png="results/paper/figure3.png",
    log:
        "logs/figure3.log",
    benchmark:
        "logs/figure3.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        code=code("paper/figure3"),
    script:
        "../scripts/paper/figure3.py"


rule figure4:
    input:
        published=published("figure4_task_types"),
        kept=dialogues_of("kept"),
    output:
        figure_csv="results/paper/figure4.csv",
        figure_pdf="results/paper/figure4.pdf",
        figure_svg=shown("results/paper/figure4.svg", "Figures"),
        figure_png="results/paper/figure4.png",
    log:
        "logs/figure4.log",
    benchmark:
        "logs/figure4.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        code=code("paper/figure4"),
    script:
        "../scripts/paper/figure4.py"


rule figure5:
    input:
        published=published("roles"),
    output:
        figure_csv="results/paper/figure5.csv",
        figure_pdf="results/paper/figure5.pdf",
        figure_svg=shown("results/paper/figure5.svg", "Figures"),
        figure_png="results/paper/figure5.png",
    log:
        "logs/figure5.log",
    benchmark:
        "logs/figure5.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        roles=ROLES,
        media=MEDIA,
        code=code("paper/figure5"),
    script:
        "../scripts/paper/figure5.py"


rule corpus_quality:
    input:
        truth=corpus_of("truth/{batch}"),
        audio=corpus_of("audio/{batch}"),
        vocals=corpus_of("vocals/{batch}"),
        recordings=corpus_of("vocals/{batch}.jsonl"),
        turns=corpus_of("turns/{batch}.jsonl"),
        segments=corpus_of("segments/{batch}.jsonl"),
        quality=corpus_of("quality/{batch}.jsonl"),
        transcripts=corpus_of("transcripts/{batch}.jsonl"),
        identities="results/roles/identities.jsonl",
    output:
        table_csv="results/paper/corpus_quality.csv",
        table_md=shown("results/paper/corpus_quality.md", "Corpus"),
        table_tex="results/paper/corpus_quality.tex",
    log:
        "logs/corpus_quality.log",
    benchmark:
        "logs/corpus_quality.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        batches=BATCHES,
        code=code("paper/corpus_quality"),
    script:
        "../scripts/paper/corpus_quality.py"


rule differences:
    input:
        verdicts=[] if RELEASED else VERDICTS,
        released=RELEASED,
        published_roles=published("roles"),
    output:
        table_csv="results/paper/differences.csv",
        table_md=shown("results/paper/differences.md", "Tables"),
        table_tex="results/paper/differences.tex",
    log:
        "logs/differences.log",
    benchmark:
        "logs/differences.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        roles=ROLES,
        code=code("paper/differences"),
    script:
        "../scripts/paper/differences.py"


rule agree:
    input:
        ratings=project(config["human_ratings"]),
        verdicts=verdicts_of(JUDGES) if RATINGS or len(JUDGES) > 1 else [],
    output:
        table_csv="results/paper/agree.csv",
        table_md=shown("results/paper/agree.md", "Tables"),
        table_tex="results/paper/agree.tex",
    log:
        "logs/agree.log",
    benchmark:
        "logs/agree.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        systems=list(SYSTEMS),
        roles=ROLE_NAMES,
        judges=JUDGES,
        code=code("paper/agree"),
    script:
        "../scripts/paper/agree.py"


rule judge_audit:
    input:
        probes=expand("results/judging/{judge}/probes.jsonl", judge=JUDGES),
        verdicts=verdicts_of(JUDGES),
    output:
        table_csv="results/paper/judge_audit.csv",
        table_md=shown("results/paper/judge_audit.md", "Tables"),
        table_tex="results/paper/judge_audit.tex",
    log:
        "logs/judge_audit.log",
    benchmark:
        "logs/judge_audit.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        judges=JUDGES,
        code=code("paper/judge_audit"),
    script:
        "../scripts/paper/judge_audit.py"


rule compare:
    input:
        table1=published("table1"),
        table2=published("table2"),
        table3=published("table3"),
        table4=published("table4"),
        table5=published("table5"),
        published_roles=published("roles"),
        released=RELEASED or SHIPPED_SCORES,
    output:
        table_csv="results/paper/compare.csv",
        table_md=shown("results/paper/compare.md", "Paper"),
        table_tex="results/paper/compare.tex",
    log:
        "logs/compare.log",
    benchmark:
        "logs/compare.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        roles=ROLES,
        code=code("paper/compare"),
    script:
        "../scripts/paper/compare.py"


rule errata:
    input:
        table2=published("table2"),
        table3=published("table3"),
        table4=published("table4"),
        published_roles=published("roles"),
    output:
        table_csv="results/paper/errata.csv",
        table_md=shown("results/paper/errata.md", "Paper"),
        table_tex="results/paper/errata.tex",
    log:
        "logs/errata.log",
    benchmark:
        "logs/errata.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=60,
    params:
        code=code("paper/errata"),
    script:
        "../scripts/paper/errata.py"


rule paper:
    input:
        rules.table1.output,
        rules.table2.output,
        rules.table3.output,
        rules.table4.output,
        rules.table5.output,
        rules.table6.output,
        rules.table7.output,
        rules.figure2.output,
        rules.figure3.output,
        rules.figure4.output,
        rules.figure5.output,
        rules.corpus_quality.output,
        rules.differences.output,
        rules.agree.output,
        rules.judge_audit.output,
        rules.compare.output,
        rules.errata.output,
