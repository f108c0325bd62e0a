"""Input functions for the rules of all phases, and the hand-written tables."""

from scripts.paper.report.ratings import read_ratings
from scripts.roles.verify import read_decisions


def one_of(names):
    """A wildcard pattern that matches the names only; without names, nothing."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


def media_of(batch):
    """The rows of media.tsv of a batch."""
    return [row for row in MEDIA if row["batch"] == batch]


def own_files(batch):
    """Local files of a batch, and the text beside a truth: changing one reruns the batch. A missing
    file is no error here: fetch records why it is missing, and the other media go on.
    """
    cells = [row[key] for row in media_of(batch) for key in ("location", "truth", "music")]
    paths = [local(cell.removeprefix("synth:")) for cell in cells if cell]
    truths = [Path(local(row["truth"])) for row in media_of(batch) if row["truth"]]
    paths += [str(path.with_suffix(end)) for path in truths for end in (".jsonl", ".stm")]
    return [path for path in paths if Path(path).is_file()]


def classified_for(wildcards):
    """The shards that a shard is compared with: itself, or all if roles are compared too."""
    if config["deduplicate"]["within"] == "role":
        return f"results/dialogues/classified/{wildcards.shard}.jsonl"
    return expand("results/dialogues/classified/{shard}.jsonl", shard=SHARDS)


def spoken_users(path):
    """A path of speak_users; none if one model speaks the roles' and the users' lines."""
    return [] if SPEAKERS[0] == SPEAKERS[1] else [path]


def dialogues_of(kind):
    """The files of one kind of dialogue rows."""
    return expand(f"results/dialogues/{kind}/{{shard}}.jsonl", shard=SHARDS)


def corpus_of(pattern):
    """The files or folders of every batch."""
    return expand(f"results/corpus/{pattern}", batch=BATCHES)


def adapters_of(wildcards):
    """The adapters of a system's models that the rule finetune trains."""
    models = specs.with_nested([SYSTEMS[wildcards.system]])
    return [spec.options["adapter"] for spec in models if "adapter" in spec.options]


def verdicts_of(judges):
    """The files of one judge or of several."""
    return expand(
        "results/judging/{judge}/{system}/{shard}.jsonl",
        judge=judges,
        system=SYSTEMS,
        shard=SHARDS,
    )


def expected_of(*judges):
    """The verdicts of some judges that a table expects (scripts/paper/report/expected.py)."""
    return {"systems": list(SYSTEMS), "judges": list(judges), "metrics": METRICS}


def prompt_of(wildcards):
    """The prompt file of a prompted judge; other judges have none."""
    judge = JUDGES[wildcards.judge]
    protocol = specs.option(judge, "protocol")
    return [project(specs.option(judge, f"prompt_{protocol}"))] if protocol else []


def published(name):
    """A printed table of the paper."""
    return project(f"config/published/{name}.tsv")


def shown(path, category):
    """An output that `snakemake --report` shows under `category`, with its caption."""
    name = Path(path).stem
    return report(
        path,
        caption=f"../scripts/paper/captions/{name}.rst",
        category=category,
        labels={"what": name},
    )


try:
    # References between tables, checked before any job: a wrong name would be a silent gap in a table.
    ROLE_NAMES = [row["role"] for row in ROLES]
    METRICS = [row["id"] for row in table("metrics", "metrics", "id")]
    RATINGS = read_ratings(project(config["human_ratings"]), list(SYSTEMS), ROLE_NAMES, METRICS)
    read_decisions(project(config["speaker_decisions"]), MEDIA, ROLES)
    refer(project(config["test_items"]), "test_items", "role", ROLE_NAMES, config["roles"])
    # Scores that were released stand in for a run: nothing is made, only they are read.
    RELEASED = [
        project(str(file))
        for path in config["released_scores"]
        for file in files_of(Path(local(path)))
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
