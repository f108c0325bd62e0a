"""Paper: every table and figure, this run's figures beside the printed ones, each with its source.

needs  config/published (the paper's printed figures) and, for each rule, only the rows it counts
makes  results/paper/: table1..table7 (csv, md, tex), figure2 (md, tex), figure3..figure5 (csv, pdf,
       svg, png); the phase's target, in rules/analyses.smk, includes those made there
"""

from scripts.paper.report.ratings import read_ratings
from scripts.paper.report.released import files_of
from scripts.workflow.self_judged import self_judged

with faults_told():
    RATINGS = read_ratings(project(config["human_ratings"]), ANSWERING, ROLE_NAMES, METRICS)
    # Released scores stand in for a run: they are read, and nothing is made.
    RELEASED = [
        project(str(file))
        for path in config["released_scores"]
        for file in files_of(Path(local(path)))
    ]

# Tables whose rules stand in a file of their own, included after this one: it adds their outputs.
FURTHER_TABLES = []

SCORES = verdicts_of(config["judge"])
SPOKEN = expand("results/dialogues/speech/{split}/{shard}.jsonl", split=SPLITS, shard=SHARDS)
ABLATIONS = {
    ablated: whole
    for ablated, whole in config["ablations"].items()
    if ablated in ANSWERING and whole in ANSWERING
}
# The verdicts of some judges that a table expects (scripts/paper/report/expected.py).
expected_of = lambda *judges: {"systems": ANSWERING, "judges": list(judges), "metrics": METRICS}
WARNINGS = [] if RELEASED else self_judged(SYSTEMS, config["judge"], JUDGES[config["judge"]])
NOTICES += WARNINGS
# A printed table of the paper.
published = lambda name: project(f"config/published/{name}.tsv")
# An output that `snakemake --report` shows under `category`, with its caption.
shown = lambda path, category: report(
    path,
    caption=f"../scripts/paper/captions/{Path(path).stem}.rst",
    category=category,
    labels={"what": Path(path).stem},
)


rule table1:
    """Table 1: characters, samples and hours of each split"""
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
        **job_resources(),
    params:
        code=code("paper/table1"),
    script:
        "../scripts/paper/table1.py"


rule table2:
    """Table 2: eight metrics of every system, English and Chinese"""
    input:
        published=published("table2"),
        verdicts=[] if RELEASED else SCORES,
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
        **job_resources(),
    params:
        systems={} if RELEASED else SYSTEMS | RECORDED,
        roles=ROLES,
        max_missing=config["max_missing"],
        warnings=WARNINGS,
        expected=expected_of(config["judge"]),
        only=config["only"],
        ablations={} if RELEASED else ABLATIONS,
        code=code("paper/table2"),
    script:
        "../scripts/paper/table2.py"


rule table3:
    """Table 3: the same for roles in and out of the training pool"""
    input:
        published=published("table3"),
        verdicts=[] if RELEASED else SCORES,
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
        **job_resources(),
    params:
        systems={} if RELEASED else SYSTEMS | RECORDED,
        roles=ROLES,
        max_missing=config["max_missing"],
        warnings=WARNINGS,
        expected=expected_of(config["judge"]),
        only=config["only"],
        code=code("paper/table3"),
    script:
        "../scripts/paper/table3.py"


rule table4:
    """Table 4: human ratings"""
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
        **job_resources(),
    params:
        systems=ANSWERING,
        roles=ROLE_NAMES,
        metrics=METRICS,
        code=code("paper/table4"),
    script:
        "../scripts/paper/table4.py"


rule table5:
    """Table 5: Spearman's rho between people and judge"""
    input:
        published=published("table5"),
        human=published("table4"),
        automatic=published("table2"),
        ratings=project(config["human_ratings"]),
        verdicts=SCORES if RATINGS else [],
        test=dialogues_of("test") if RATINGS else [],
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
        **job_resources(),
    params:
        systems=ANSWERING,
        roles=ROLE_NAMES,
        expected=expected_of(config["judge"]),
        code=code("paper/table5"),
    script:
        "../scripts/paper/table5.py"


rule table6:
    """Table 6: the roles"""
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
        **job_resources(),
    params:
        roles=ROLES,
        media=MEDIA,
        code=code("paper/table6"),
    script:
        "../scripts/paper/table6.py"


rule table7:
    """Table 7: the roles"""
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
        **job_resources(),
    params:
        roles=ROLES,
        media=MEDIA,
        code=code("paper/table7"),
    script:
        "../scripts/paper/table7.py"


rule figure2:
    """Figure 2: a test dialogue of each major task category"""
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
        **job_resources(),
    params:
        roles=ROLES,
        code=code("paper/figure2"),
    script:
        "../scripts/paper/figure2.py"


rule figure3:
    """Figure 3: lengths of utterances"""
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
        **job_resources(),
    params:
        code=code("paper/figure3"),
    script:
        "../scripts/paper/figure3.py"


rule figure4:
    """Figure 4: sub-tasks of the dialogues"""
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
        **job_resources(),
    params:
        code=code("paper/figure4"),
    script:
        "../scripts/paper/figure4.py"


rule figure5:
    """Figure 5: roles by language, gender and source"""
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
        **job_resources(),
    params:
        roles=ROLES,
        media=MEDIA,
        code=code("paper/figure5"),
    script:
        "../scripts/paper/figure5.py"
