"""Analyses: how far this run, its judges and the paper's printed figures can be trusted.

needs  config/published (the paper's printed figures) and, for each rule, only the rows it counts
makes  results/paper/: corpus_quality, differences, agree, judge_audit, compare, errata, deviations
       (csv, md, tex), summary.html, duplex_summary.html; differences and compare of released
       scores stand in results/released/
"""

SHIPPED_SCORES = sorted(map(str, Path(project("config/published")).glob("released_scores_*.csv")))

with faults_told():
    SERVICE_ENDS = read_table(project("config/service_ends.tsv"), "service_ends")

# The files or folders of every batch.
corpus_of = lambda pattern: expand(f"results/corpus/{pattern}", batch=BATCHES)


rule corpus_quality:
    """the corpus beside ground truth: DER, WER, SI-SDR, identities"""
    input:
        truth=corpus_of("truth/{batch}"),
        audio=corpus_of("audio/{batch}"),
        vocals=corpus_of("vocals/{batch}"),
        recordings=corpus_of("vocals/{batch}.jsonl"),
        turns=corpus_of("turns/{batch}.jsonl"),
        segments=corpus_of("segments/{batch}.jsonl"),
        quality=corpus_of("quality/{batch}.jsonl"),
        transcripts=corpus_of("transcripts/{batch}.jsonl"),
        identities=["results/roles/identities.jsonl"] if IDENTIFIERS else [],
    output:
        table_csv="results/paper/corpus_quality.csv",
        table_md="results/paper/corpus_quality.md",
        table_tex="results/paper/corpus_quality.tex",
    log:
        "logs/corpus_quality.log",
    benchmark:
        "logs/corpus_quality.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        batches=BATCHES,
        code=code("paper/corpus_quality"),
    script:
        "../scripts/paper/corpus_quality.py"


rule differences:
    """paired tests, ranks and other scales of all systems"""
    input:
        verdicts=[] if RELEASED else SCORES,
        released=RELEASED,
        published_roles=published("roles"),
        test=[] if RELEASED else dialogues_of("test"),
    output:
        table_csv=f"{SCORED}/differences.csv",
        table_md=f"{SCORED}/differences.md",
        table_tex=f"{SCORED}/differences.tex",
    log:
        "logs/differences.log",
    benchmark:
        "logs/differences.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        roles=ROLES,
        max_missing=config["max_missing"],
        about_judge=ABOUT_SCORES,
        expected=expected_of(config["judge"]),
        only=config["only"],
        code=code("paper/differences"),
    script:
        "../scripts/paper/differences.py"


rule agree:
    """agreement among judges and raters, by system and by item"""
    input:
        ratings=project(config["human_ratings"]),
        verdicts=verdicts_of(JUDGES) if RATINGS or len(JUDGES) > 1 else [],
        test=dialogues_of("test") if RATINGS or len(JUDGES) > 1 else [],
    output:
        table_csv="results/paper/agree.csv",
        table_md="results/paper/agree.md",
        table_tex="results/paper/agree.tex",
    log:
        "logs/agree.log",
    benchmark:
        "logs/agree.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        systems=ANSWERING,
        roles=ROLE_NAMES,
        judges=JUDGES,
        about_judge=judge_told(JUDGES, OWN_HOSTS),
        expected=expected_of(*JUDGES),
        code=code("paper/agree"),
    script:
        "../scripts/paper/agree.py"


rule judge_audit:
    """the judge's scores of deliberately altered pairs"""
    input:
        probes=expand("results/judging/{judge}/probes.jsonl", judge=JUDGES),
        verdicts=verdicts_of(JUDGES),
        replies=REPLIES,
        test=dialogues_of("test"),
        spoken=expand("results/dialogues/speech/test/{shard}.jsonl", shard=SHARDS),
    output:
        table_csv="results/paper/judge_audit.csv",
        table_md="results/paper/judge_audit.md",
        table_tex="results/paper/judge_audit.tex",
    log:
        "logs/judge_audit.log",
    benchmark:
        "logs/judge_audit.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        judges=JUDGES,
        about_judge=judge_told(JUDGES, OWN_HOSTS),
        number=config["judge_audit"]["items"],
        expected=expected_of(*JUDGES),
        code=code("paper/judge_audit"),
    script:
        "../scripts/paper/judge_audit.py"


rule compare:
    """printed and recomputed figures, cell by cell"""
    input:
        table1=published("table1"),
        table2=published("table2"),
        table3=published("table3"),
        table4=published("table4"),
        table5=published("table5"),
        published_roles=published("roles"),
        released=RELEASED or SHIPPED_SCORES,
    output:
        table_csv=f"{SCORED}/compare.csv",
        table_md=f"{SCORED}/compare.md",
        table_tex=f"{SCORED}/compare.tex",
    log:
        "logs/compare.log",
    benchmark:
        "logs/compare.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        roles=ROLES,
        metrics=METRICS,
        code=code("paper/compare"),
    script:
        "../scripts/paper/compare.py"


rule errata:
    """where the paper's text and data disagree"""
    input:
        table2=published("table2"),
        table3=published("table3"),
        table4=published("table4"),
        published_roles=published("roles"),
    output:
        table_csv="results/paper/errata.csv",
        table_md="results/paper/errata.md",
        table_tex="results/paper/errata.tex",
    log:
        "logs/errata.log",
    benchmark:
        "logs/errata.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        services=SERVICE_ENDS,
        code=code("paper/errata"),
    script:
        "../scripts/paper/errata.py"


rule deviations:
    """what this configuration does in another way than the paper"""
    input:
        published_setup=published("setup"),
        published_roles=published("roles"),
        test_items=project(config["test_items"]),
    output:
        table_csv="results/paper/deviations.csv",
        table_md="results/paper/deviations.md",
        table_tex="results/paper/deviations.tex",
    log:
        "logs/deviations.log",
    benchmark:
        "logs/deviations.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        settings=dict(config),
        roles=ROLES,
        media=MEDIA,
        metrics=METRICS,
        services=SERVICE_ENDS,
        # It reads the options that backends have by default.
        code=code("paper/deviations", *USED.values()),
    script:
        "../scripts/paper/deviations.py"


rule export_scores:
    """the scores in both of the authors' JSON shapes"""
    input:
        verdicts=SCORES,
        test=dialogues_of("test"),
    output:
        scores=directory("results/paper/export_scores"),
    log:
        "logs/export_scores.log",
    benchmark:
        "logs/export_scores.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        expected=expected_of(config["judge"]),
        code=code("paper/export_scores"),
    script:
        "../scripts/paper/export_scores.py"


# What the target `paper` makes; a benchmark has no corpus, and no dialogues but those of the test.
PAPER = [
    *([] if BENCHMARK else rules.table1.output),
    *rules.table2.output,
    *rules.table3.output,
    *rules.table4.output,
    *rules.table5.output,
    *rules.table6.output,
    *rules.table7.output,
    *rules.figure2.output,
    *rules.figure3.output,
    *([] if BENCHMARK else rules.figure4.output),
    *rules.figure5.output,
    *([] if BENCHMARK else rules.corpus_quality.output),
    *rules.differences.output,
    *rules.agree.output,
    *rules.judge_audit.output,
    *rules.compare.output,
    *rules.errata.output,
    *rules.deviations.output,
    *FURTHER_TABLES,
]


rule summary:
    """all tables and figures on one page"""
    input:
        pages=[file for file in PAPER if file.endswith((".md", ".svg"))],
    output:
        summary_html=shown(f"{SCORED}/summary.html", "Summary"),
    log:
        "logs/summary.log",
    benchmark:
        "logs/summary.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        title="Tables and figures of this run",
        code=code("paper/summary"),
    script:
        "../scripts/paper/summary.py"


use rule summary as duplex_summary with:
    input:
        pages=[file for file in DUPLEX_PAPER if file.endswith((".md", ".svg"))],
    output:
        summary_html=shown("results/paper/duplex_summary.html", "Summary"),
    log:
        "logs/duplex_summary.log",
    benchmark:
        "logs/duplex_summary.tsv"
    params:
        title="Full duplex: tables and figure of this run",
        code=code("paper/summary"),


rule paper:
    """phase 6: all tables and figures"""
    input:
        PAPER,
        rules.summary.output,
