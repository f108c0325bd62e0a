"""Systems that are judged by a language model of their own.

A judge that asks how likely a reply is finds what its own language model wrote likelier than what
others did, the reference included; one that listens is known to prefer its own answers. Imported by
the Snakefile: light imports only.
"""

from __future__ import annotations

from collections.abc import Mapping

from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

ANSWERING = ("llm", "dialogue", "duplex", "judge")  # capabilities whose models say something


def self_judged(systems: Mapping[str, ModelSpec | str], judge: str, spec: ModelSpec) -> list[str]:
    """A sentence if language models of the `judge` are also those of `systems` (of recorded
    answers, given as text, the model is not known)."""
    own = _language_models(spec)
    both = {
        name: own & _language_models(system)
        for name, system in systems.items()
        if isinstance(system, ModelSpec) and own & _language_models(system)
    }
    if not both:
        return []
    models = ", ".join(sorted(set().union(*both.values())))
    return [
        f"The judge `{judge}` asks a language model ({models}) that {', '.join(both)} "
        f"{'answer' if len(both) > 1 else 'answers'} with: it favours its own words over "
        "others', so compare these scores with those of other systems with care, or choose a judge "
        "that is not under test."
    ]


def _language_models(spec: ModelSpec) -> set[str]:
    """The names of the language models of a spec, whatever backend runs them."""
    named = [
        specs.option(one, "weights") or specs.option(one, "model")
        for one in specs.with_nested([spec])
        if one.capability in ANSWERING
    ]
    return {str(name).rpartition("/")[2].lower() for name in named if name}
