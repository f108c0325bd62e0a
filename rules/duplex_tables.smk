"""Tables and the figure of full duplex, and the sheet that people rate conversations on.

needs  config/published (printed figures), results/duplex
makes  results/duplex/sheet/: a blinded sheet
       results/paper/: duplex_table1, duplex_table2, duplex_table4 (csv, md, tex), duplex_figure (csv,
       pdf, svg, png)

Not in `rule all`: the target is `duplex`.
"""


rule duplex_sheet:
    """a blinded sheet for people's ratings of conversations"""
    input:
        item_rows=ITEMS,
        user_audio=USERS,
        conversations=CONVERSATIONS,
        audio=SIDES,
    output:
        sheet="results/duplex/sheet/sheet.tsv",
        samples=directory("results/duplex/sheet/samples"),
    log:
        "logs/duplex_sheet.log",
    benchmark:
        "logs/duplex_sheet.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        most=DUPLEX["sheet"],
        code=code("duplex/duplex_sheet"),
    script:
        "../scripts/duplex/duplex_sheet.py"


rule duplex_table1:
    """PersonaPlex's Table 1: naturalness by people's ratings, likeness to the voice"""
    input:
        published=published("duplex_table1"),
        ratings=project(DUPLEX["ratings"]),
        conversations=CONVERSATIONS,
        scores=DUPLEX_SCORES,
    output:
        table_csv="results/paper/duplex_table1.csv",
        table_md=shown("results/paper/duplex_table1.md", "Full duplex"),
        table_tex="results/paper/duplex_table1.tex",
    log:
        "logs/duplex_table1.log",
    benchmark:
        "logs/duplex_table1.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        speakers=MEASURING["speakers"],
        code=code("paper/duplex_table1"),
    script:
        "../scripts/paper/duplex_table1.py"


rule duplex_table2:
    """PersonaPlex's Table 2: taking turns, by published and by mended rules"""
    input:
        published=published("duplex_table2"),
        item_rows=ITEMS,
        scores=DUPLEX_SCORES,
    output:
        table_csv="results/paper/duplex_table2.csv",
        table_md=shown("results/paper/duplex_table2.md", "Full duplex"),
        table_tex="results/paper/duplex_table2.tex",
    log:
        "logs/duplex_table2.log",
    benchmark:
        "logs/duplex_table2.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        measuring=MEASURING,
        code=code("paper/duplex_table2"),
    script:
        "../scripts/paper/duplex_table2.py"


rule duplex_table4:
    """PersonaPlex's Table 4: answers of service roles, by kind of question"""
    input:
        published=published("duplex_table4"),
        item_rows="results/duplex/items/service.jsonl",
        scores=[
            f"results/duplex/scores/{name}/{own}.jsonl" for name, own in HELD if own == "service"
        ],
    output:
        table_csv="results/paper/duplex_table4.csv",
        table_md=shown("results/paper/duplex_table4.md", "Full duplex"),
        table_tex="results/paper/duplex_table4.tex",
    log:
        "logs/duplex_table4.log",
    benchmark:
        "logs/duplex_table4.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        asr=MEASURING["asr"],
        llm=MEASURING["llm"],
        code=code("paper/duplex_table4"),
    script:
        "../scripts/paper/duplex_table4.py"


rule duplex_figure:
    """time lines of conversations"""
    input:
        item_rows=ITEMS,
        user_audio=USERS,
        conversations=CONVERSATIONS,
        audio=SIDES,
        scores=DUPLEX_SCORES,
    output:
        figure_csv="results/paper/duplex_figure.csv",
        figure_pdf="results/paper/duplex_figure.pdf",
        figure_svg="results/paper/duplex_figure.svg",
        figure_png=shown("results/paper/duplex_figure.png", "Full duplex"),
    log:
        "logs/duplex_figure.log",
    benchmark:
        "logs/duplex_figure.tsv"
    conda:
        env_of(MEASURING["vad"])
    threads: 1
    resources:
        **job_resources(MEASURING["vad"]),
    params:
        systems=DUPLEX["figure"] or [*TALKERS, *SIDES_RECORDED][:1],
        vad=MEASURING["vad"],
        code=code("paper/duplex_figure", MEASURING["vad"]),
    script:
        "../scripts/paper/duplex_figure.py"


rule duplex:
    """the tables and the figure of full duplex"""
    input:
        rules.duplex_table1.output,
        rules.duplex_table2.output,
        rules.duplex_table4.output,
        rules.duplex_table5.output,
        rules.duplex_figure.output,
        rules.duplex_sheet.output,
