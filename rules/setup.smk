"""Setup: weights of the hub models that the rules of the other phases use. Included after them.

needs  config/hub_weights.tsv, a network
makes  <folder of weights>/{model}/: the model and receipt.json
"""

from scripts.common import weights
from scripts.workflow import requirements

with faults_told():
    HUB = {row["model"]: row for row in weights.hub_table()}
    NEEDED = [
        name for spec in specs.with_nested(USED.values()) for name in requirements.needed(spec)
    ]


localrules:
    download,


rule download:
    """the weights of one model"""
    output:
        receipt=f"{weights.folder()}/{{model}}/{weights.RECEIPT}",
    log:
        "logs/download/{model}.log",
    benchmark:
        "logs/download/{model}.tsv"
    wildcard_constraints:
        model=one_of(HUB),
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(runtime=600),
    params:
        row=lambda wildcards: HUB[wildcards.model],
    script:
        "../scripts/setup/download.py"


rule models:
    """downloads the weights that the configuration needs from their hub"""
    input:
        [
            f"{weights.folder()}/{name}/{weights.RECEIPT}"
            for name in dict.fromkeys(NEEDED)
            if name in HUB
        ],
