"""Which ready jobs form one SLURM array. How SLURM treats arrays is tested in tests/cluster."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.workflow import guards, slurm_arrays

ROOT = Path(__file__).resolve().parents[2]
RULES = {"all", "extract", "rate"}


def settings(names):
    return SimpleNamespace(array_jobs=names)


class Submitted:
    """Records what an executor is asked to submit, instead of submitting it."""

    def __init__(self, names, size=1000):
        self.workflow = SimpleNamespace(executor_settings=settings(names))
        self.max_array_size = size
        self._job_submission_executor = self
        self.slurm_logdir = Path("logs/slurm")
        self.told, self.alone, self.arrays, self.errors = [], [], [], []

    def run_job_pre(self, job):
        self.told.append(job)

    def run_job(self, job):
        self.alone.append(job)

    def submit(self, function, *arguments):
        if function is slurm_arrays.run_array:
            self.arrays.append(arguments[1])
        else:
            function(*arguments)

    def _report_job_error_threadsafe(self, info, message):
        self.errors.append((info.job, message))


def job(rule="extract", group=False, **resources):
    return SimpleNamespace(
        rule=SimpleNamespace(name=rule), is_group=lambda: group, resources=resources
    )


@given(
    st.lists(st.tuples(st.sampled_from(sorted(RULES)), st.integers(1, 3)), max_size=30),
    st.sampled_from(["all", "extract", "rate; extract"]),
    st.integers(2, 9),
)
def test_every_job_is_submitted_once_and_with_its_like(kinds, names, size):
    jobs = [job(rule, mem_mb=1000 * attempt) for rule, attempt in kinds]
    executor = Submitted(names, size)
    slurm_arrays.run_jobs(executor, jobs)
    sent = executor.alone + [one for array in executor.arrays for one in array]
    assert sorted(map(id, sent)) == sorted(map(id, jobs)) == sorted(map(id, executor.told))
    for array in executor.arrays:
        assert 1 < len(array) <= size
        assert len({(one.rule.name, one.resources["mem_mb"]) for one in array}) == 1
        assert names == "all" or array[0].rule.name in names


def test_what_snakemake_adds_for_itself_keeps_no_jobs_apart():
    """The disk it reckons from the inputs differs between jobs of a rule, and SLURM is not told."""
    jobs = [job(mem_mb=1000, disk_mb=n, tmpdir=f"/tmp/{n}") for n in range(3)]
    executor = Submitted("all")
    slurm_arrays.run_jobs(executor, jobs)
    assert executor.arrays == [jobs]


@pytest.mark.parametrize("names", ["all", "extract"])
def test_groups_and_rules_that_are_not_named_are_submitted_alone(names):
    jobs = [job(group=True), job(group=True), job("other"), job("other", cluster="b")]
    executor = Submitted(names)
    slurm_arrays.run_jobs(executor, jobs)
    assert executor.alone == jobs and not executor.arrays


def test_what_hinders_an_array_is_an_error_of_each_of_its_jobs(monkeypatch):
    def sbatch(executor, jobs, folder):
        raise RuntimeError("no such partition")

    monkeypatch.setattr(slurm_arrays, "sbatch", sbatch)
    executor, jobs = Submitted("all"), [job(), job()]
    slurm_arrays.run_array(executor, jobs)
    text = "its array of 2 jobs was not submitted: no such partition"
    assert executor.errors == [(one, text) for one in jobs]


@pytest.mark.parametrize("executor", [None, settings(None), settings("")])
def test_without_the_option_nothing_is_changed(executor):
    slurm_arrays.use(executor, RULES)


def test_a_rule_that_does_not_exist_is_named():
    with pytest.raises(UserError, match="no rule is called 'extrct'; did you mean 'extract'?"):
        slurm_arrays.use(settings("rate, extrct"), RULES)


def test_another_version_of_the_plugin_is_refused_with_a_way_out(monkeypatch):
    monkeypatch.setattr(slurm_arrays, "version", lambda name: "9.9")
    with pytest.raises(UserError, match="slurm 9.9 is installed.* pip install -r envs/slurm.txt"):
        slurm_arrays.use(settings("all"), RULES)


@pytest.fixture
def plugin(monkeypatch):
    """A plugin of the tested version, with every private name that we use."""
    monkeypatch.setattr(slurm_arrays, "version", guards.tested)
    monkeypatch.setattr(guards, "version", lambda name: "9.9")
    made = types.ModuleType("snakemake_executor_plugin_slurm")
    for name in slurm_arrays.PARTS:
        *places, last = name.split(".")
        owner = made
        for place in places:
            if not hasattr(owner, place):
                setattr(owner, place, types.ModuleType(place))
            owner = getattr(owner, place)
        setattr(owner, last, object())
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_the_plugin_is_replaced_where_nothing_is_missing(plugin):
    slurm_arrays.use(settings("all"), RULES)
    assert plugin.Executor.run_jobs is slurm_arrays.run_jobs


def test_a_private_name_that_is_gone_is_told(plugin):
    del plugin.utils.set_gres_string
    sentence = r"slurm 9.9 has no snakemake_\w+.utils.set_gres_string, .* tested is 2.8.0: pip"
    with pytest.raises(UserError, match=sentence):
        slurm_arrays.use(settings("all"), RULES)
