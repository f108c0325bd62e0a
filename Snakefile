# The path grammar: a folder is a kind of row, a file is a batch or a shard (k-of-n).
#
#   results/run_config.yaml                                  the merged configuration of this run
#   results/corpus/{media,truth,audio,vocals}/{batch}/       media and audio; rows in {batch}.jsonl
#   results/corpus/{turns,segments,quality,transcripts}/{batch}.jsonl
#   results/roles/{identities,roles,voices,profiles}.jsonl   voices/ holds the reference clips
#   results/roles/pending.tsv                                what a person should decide next
#   results/dialogues/{drafts,classified,kept,dropped}/{shard}.jsonl
#   results/dialogues/{train,out_of_domain,test}/{shard}.jsonl
#   results/dialogues/speech/{split}/{shard}/                rows in {shard}.jsonl
#   results/dialogues/speech/users/{split}/{shard}/          the users' lines where another model
#                                                            speaks them: gone once speech has them
#   results/systems/finetune/{agent}/                        train.jsonl, adapter/, checkpoints/
#   results/systems/{system}/{shard}/                        rows in {shard}.jsonl
#   results/systems/export/                                  inputs.json, inputs.csv, audio/
#   results/judging/sentences/                               rows in sentences.jsonl
#   results/judging/{judge}/{system}/{shard}.jsonl           probes.jsonl beside the systems
#   results/duplex/scenarios.jsonl                           service roles; choices.jsonl, scenarios.md
#   results/duplex/items/{collection}/                       the users' sides; rows in {collection}.jsonl
#   results/duplex/conversations/{talker}/{collection}/      the systems' sides; likewise
#   results/duplex/scores/{talker}/{collection}.jsonl
#   results/duplex/training/                                 material.*, {adapter}/: see its rules
#   results/duplex/sheet/                                    sheet.tsv, samples/: for people's ratings
#   results/paper/{duplex_table1,duplex_table2,duplex_table4,duplex_table5,
#       duplex_figure}.*
#   results/paper/{table1..table7,corpus_quality,differences,agree,judge_audit,compare,errata,
#       deviations}.*                                        csv, md, tex; figure2: md, tex
#   results/paper/export_scores/{joint,per_metric}/{system}/{mode}/{role}.json
#                                                            missing.csv beside them
#   results/paper/{figure3..figure5}.{csv,pdf,svg,png}
#
# Where a benchmark is scored, roles/ has voices and profiles, and dialogues/ the test split.
#
# Beside it: cache/kept/{rule}/..., the model caches of jobs; cache/calls.sqlite, the answers of
# services.

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"


if BENCHMARK:

    include: "rules/benchmark.smk"

else:

    include: "rules/corpus.smk"
    include: "rules/roles.smk"
    include: "rules/dialogues.smk"


include: "rules/systems.smk"
include: "rules/judging.smk"
include: "rules/paper.smk"
include: "rules/duplex.smk"
include: "rules/duplex_training.smk"
include: "rules/duplex_tables.smk"
include: "rules/analyses.smk"
include: "rules/setup.smk"
include: "rules/environments.smk"
include: "rules/preflight.smk"


rule all:
    """every table and figure of the paper, and what they need (duplex excepted)"""
    default_target: True
    input:
        rules.paper.input,
