"""Estimated cost of a run by stage, before it starts: jobs, GPU-hours, calls, dollars, disk.

Units of work (seconds of audio, tokens, texts; scripts/workflow/workload.py) times the cost of a
unit: GPU time (config/speeds.tsv) or dollars of a paid service (config/prices.tsv). Answers already
in the store are counted too. Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from scripts.common.errors import UserError
from scripts.services import addresses
from scripts.services import prices as prices_
from scripts.services.settings import Rules
from scripts.workflow import specs, stage_costs
from scripts.workflow.disk import stored
from scripts.workflow.lengths import MEDIUM
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.requirements import Work, models_of, needed
from scripts.workflow.stage_costs import Amount
from scripts.workflow.workload import REPLY, Size, part

RATIONALE = {"per_metric": 600, "joint": 2000}  # tokens of a judge's reply, by protocol
HEARD, SPOKEN = 32, 20  # tokens of a second of speech
LETTERS = 15  # characters of a second of speech
EXCHANGE = 10  # seconds of a full-duplex conversation between two replies


@dataclass
class Cost:
    """The cost of one rule's jobs; `unknown` models have no row in config/speeds.tsv, `unpriced`
    ones none in config/prices.tsv."""

    rule: str
    jobs: int = 0
    gpu_jobs: int = 0
    gpu_hours: float = 0.0
    calls: float = 0.0
    usd: float = 0.0
    files: float = 0.0
    gigabytes: float = 0.0  # in results/
    kept: float = 0.0  # gigabytes of model caches
    speech: float = 0.0  # hours of dialogues that are spoken
    judged: bool = False  # by a service
    models: dict[str, None] = field(default_factory=dict)  # in order of appearance
    unknown: set[str] = field(default_factory=set)
    unpriced: set[str] = field(default_factory=set)
    unbilled: set[str] = field(default_factory=set)  # capabilities that `used` does not know
    assumed: set[str] = field(default_factory=set)


def estimate(
    work: Iterable[Work],
    run_size: Size,
    speeds: list[dict[str, str]],
    rules: Rules,
    keeps: bool = True,
) -> list[Cost]:
    """The cost of the jobs of `work`, one row a rule, in order of appearance; `keeps`: whether jobs
    cache the results of their models."""
    rows = {row["model"]: row for row in speeds}
    costs: dict[str, Cost] = {}
    for job in work:
        cost = costs.setdefault(job.rule, Cost(job.rule))
        cost.jobs += 1
        left = stored(job, run_size, keeps)
        cost.files += left.files
        cost.gigabytes += left.results / 1e9
        cost.kept += left.kept / 1e9
        models = models_of(job)
        cost.gpu_jobs += specs.wants_gpu(*models)
        for model in models:
            cost.models |= dict.fromkeys(needed(model) or _own(model))
        own = part(job, run_size)
        cost.speech += own.spoken * (own.user + own.role) / 3600 * (job.rule == "speak")
        amounts = stage_costs.of(job.rule).work(own)
        if job.rule in rows:  # training: the speed is the rule's, not a model's
            _add(cost, rows[job.rule], amounts[job.rule].units)
            continue
        for model in models:
            name = model.label
            amount = amounts.get(model.capability, Amount(0.0))
            if specs.is_service(model):
                _buy(cost, model, amount, run_size.metrics, rules)
            elif specs.constant(model, "GPU", False) and specs.wants_gpu(model):
                if name in rows:
                    _add(cost, rows[name], amount.units)
                else:
                    cost.unknown.add(name)
    return list(costs.values())


def report(costs: list[Cost]) -> str:
    """The costs as a text table, with the models of each stage; rules without models share a
    line."""
    shown = [cost for cost in costs if cost.models or cost.calls]
    rest = [cost for cost in costs if cost not in shown]
    lines = [
        f"{'stage':<16}{'jobs':>6}{'on a GPU':>10}{'GPU-hours':>11}{'calls':>9}{'USD':>9}  models"
    ]
    lines += [_line(cost.rule, [cost]) for cost in shown]
    lines += [_line(f"{len(rest)} other rules", rest)] if rest else []
    lines.append(_line("all", costs))
    assumed = sorted(set().union(*(cost.assumed for cost in costs)))
    unknown = sorted(set().union(*(cost.unknown for cost in costs)))
    lines.append(
        f"About {sum(cost.files for cost in costs):.0f} files will be written, "
        f"{sum(cost.gigabytes for cost in costs):.1f} GB in results/ and "
        f"{sum(cost.kept for cost in costs):.1f} GB kept beside it (`kept`, `services.store`)."
    )
    lines.append(
        "GPU-hours are rough: speeds from config/speeds.tsv, a medium taken as "
        f"{MEDIUM / 3600:.0f} hours."
    )
    if speech := sum(cost.speech for cost in costs):
        lines.append(
            f"Dialogues: about {speech:.1f} hours of speech, with lines as long as in the prompts' "
            "examples."
        )
    if assumed:
        lines.append(f"Speeds that are only assumed: {', '.join(assumed)}.")
    if unknown:
        lines.append(f"Not counted, as config/speeds.tsv lacks them: {', '.join(unknown)}.")
    unpriced = sorted(set().union(*(cost.unpriced for cost in costs)))
    if unpriced:
        lines.append(f"Without a price in config/prices.tsv: {', '.join(unpriced)}.")
    unbilled = sorted(set().union(*(cost.unbilled for cost in costs)))
    if unbilled:
        lines.append(
            "Without dollars, as scripts/workflow/cost.py does not say what a service of it bills: "
            f"{', '.join(unbilled)}."
        )
    if any(cost.calls for cost in costs):
        lines.append("Answers that are kept already cost nothing: they are not asked for again.")
    if any(cost.judged for cost in costs):
        lines.append(
            f"A judge's reply is taken as {RATIONALE['per_metric']} tokens ({RATIONALE['joint']} "
            "for all metrics at once); what it thinks before is billed, too, and not counted here."
        )
    return "\n".join(lines)


def used(spec: ModelSpec, amount: Amount, metrics: int) -> dict[str, float] | None:
    """What a service would bill for some work, in units of config/prices.tsv. A judge hears each
    recording once a call, so for each metric, or once for all. A full-duplex system talks half of
    the time, and each of its replies reads both sides so far. None for a capability without an
    entry."""
    units, times = amount.units, _askings(spec, metrics)
    calls = amount.calls * times
    text = {"input token": calls * amount.read}
    replies = max(1.0, units / max(1.0, calls) / EXCHANGE)  # of a full-duplex conversation
    counted = {
        "llm": text | {"output token": units},
        "asr": {"audio second": units},
        "tts": {"character": units * LETTERS},
        "dialogue": text
        | {"input audio token": units * HEARD, "output audio token": units * SPOKEN}
        | {"output token": calls * REPLY},
        "duplex": {"input token": calls * replies * amount.read}
        | {"input audio token": units * (HEARD + SPOKEN / 2) * (replies + 1) / 2}
        | {"output audio token": units * SPOKEN / 2, "output token": calls * replies * REPLY},
        "judge": text
        | {"input audio token": units * HEARD * times * metrics}
        | {"output token": calls * RATIONALE[_protocol(spec)]},
    }
    return counted.get(spec.capability)


def _add(cost: Cost, row: dict[str, str], units: float) -> None:
    cost.gpu_hours += units * float(row["seconds"]) / 3600
    if row["source"].startswith("assumed"):
        cost.assumed.add(row["model"])


def _buy(cost: Cost, spec: ModelSpec, amount: Amount, metrics: int, rules: Rules) -> None:
    """Add the calls of a service and, if it is paid, their dollars."""
    cost.calls += amount.calls * _askings(spec, metrics)
    cost.judged |= spec.capability == "judge"
    address, name = specs.option(spec, "address"), specs.option(spec, "model")
    if addresses.is_own(address, rules.hosts):
        return
    bill = used(spec, amount, metrics)
    if bill is None:
        cost.unbilled.add(spec.capability)
        return
    try:
        cost.usd += prices_.cost(prices_.price(rules.prices, address, name), bill, name)
    except UserError:
        cost.unpriced.add(f"{name} of {spec.label}")


def _askings(spec: ModelSpec, metrics: int) -> float:
    """Calls to a service for each call that a stage counts."""
    if spec.capability != "judge":
        return 1.0
    orders = 2 if specs.option(spec, "order") == "both" else 1
    share = 1 / metrics if _protocol(spec) == "joint" else 1.0
    return share * orders * (specs.option(spec, "samples") or 1)


def _protocol(judge: ModelSpec) -> str:
    return specs.option(judge, "protocol") or "per_metric"


def _line(name: str, costs: list[Cost]) -> str:
    def total(key: str) -> float:
        return sum(getattr(cost, key) for cost in costs)

    return (
        f"{name:<16}{total('jobs'):>6}{total('gpu_jobs'):>10}{total('gpu_hours'):>11.1f}"
        f"{total('calls'):>9.0f}{total('usd'):>9.2f}"
        + "".join(f"  {', '.join(cost.models)}" for cost in costs if len(costs) == 1)
    )


def _own(spec: ModelSpec) -> list[str]:
    """The name of a backend with built-in weights, or of a service's model; none for a backend made
    of other models."""
    if specs.is_service(spec):
        return [specs.option(spec, "model")]
    return [] if spec.parts else [spec.backend]
