"""Paper: every table and figure, this run's figures beside the printed ones, each with its source.

needs  config/published (the paper's printed figures) and, for each rule, only the rows it counts
makes  results/paper/: table1..table7 (csv, md, tex), figure2 (md, tex), figure3..figure5 (csv, pdf,
       svg, png); the phase's target includes those of rules/analyses.smk
"""


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
        mem_mb=memory_mb(2000),
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
        mem_mb=memory_mb(2000),
        runtime=60,
    params:
        systems={} if RELEASED else SYSTEMS,
        roles=ROLES,
        max_missing=config["max_missing"],
        expected=expected_of(config["judge"]),
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
        mem_mb=memory_mb(2000),
        runtime=60,
    params:
        systems={} if RELEASED else SYSTEMS,
        roles=ROLES,
        max_missing=config["max_missing"],
        expected=expected_of(config["judge"]),
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
        mem_mb=memory_mb(2000),
        runtime=60,
    params:
        systems=list(SYSTEMS),
        roles=ROLE_NAMES,
        metrics=METRICS,
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
        mem_mb=memory_mb(2000),
        runtime=60,
    params:
        systems=list(SYSTEMS),
        roles=ROLE_NAMES,
        expected=expected_of(config["judge"]),
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
        mem_mb=memory_mb(2000),
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
        mem_mb=memory_mb(2000),
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
        mem_mb=memory_mb(2000),
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
        mem_mb=memory_mb(2000),
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
        mem_mb=memory_mb(2000),
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
        mem_mb=memory_mb(2000),
        runtime=60,
    params:
        roles=ROLES,
        media=MEDIA,
        code=code("paper/figure5"),
    script:
        "../scripts/paper/figure5.py"


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
