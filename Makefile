# `make demo` and `make test` work on a bare Debian or Ubuntu: Python 3.11 to 3.13 with venv, make, on x86-64.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

MODELS := .venv-models
CLUSTER := .venv-cluster
BENCH := .venv-bench
NEWEST := .venv-newest

.PHONY: help environment check quick demo ahead-quick ahead-demo test test-chaos test-models test-cluster test-newest weights lint bench bench-models scale locks env test-duplex
help:
	@echo "make check    recomputes the printed figures; a small environment, no models (a minute)"
	@echo "make environment  installs the packages, no models (900 MB)"
	@echo "make quick    recomputes the printed figures, runs the corpus phase on a telephone call (5 minutes)"
	@echo "make demo     installs, downloads weights and media, makes every table and figure (17 to 27 minutes)"
	@echo "make test     runs the tests (15 minutes); make lint runs only the static checks"
	@echo "make test-chaos  tests paid calls under service failures and killed processes (10 minutes; or CALLS=40 SEEDS=3)"
	@echo "make test-duplex  runs the full-duplex phase in its smallest form (5 minutes)"
	@echo "make test-models  tests the paper's models with their own packages, on tiny weights (15 minutes)"
	@echo "make test-cluster  tests the workflow on a local SLURM (needs root; Debian; 10 minutes)"
	@echo "make test-newest  dry runs on the newest Snakemake and its SLURM plugin (5 minutes)"
	@echo "make weights  installs only the environment and the model weights"
	@echo "make bench    benchmarks stages, services and workflow against alternatives (6 minutes)"
	@echo "make scale    runs at the paper's scale with dummy models (30 minutes, 10 GB)"
	@echo "make bench-models  benchmarks each backend against its package"
	@echo "make locks    recompiles the locks from envs/*.in"
	@echo "make env NAME=torch  builds an environment of envs/ without conda (built_environments: true)"

# A new environment: folder, arguments of pip install. Of its 20,000 files and more, Python compiles
# the few that are imported when they are.
environment = $(PYTHON) -m venv $(1) && \
  $(1)/bin/python -m pip install --quiet --upgrade pip && \
  $(1)/bin/python -m pip install --quiet --no-compile $(2)

# The caller\'s PYTHONPATH would shadow the pinned packages. Without bytecode, which images of containers
# often forbid, each process compiles all that it imports: snakemake and torch take twice to three
# times as long.
unexport PYTHONPATH PYTHONDONTWRITEBYTECODE

ahead-quick ahead-demo:
	@$(PYTHON) -m scripts.setup.machine
	@$(PYTHON) -m scripts.setup.ahead $(@:ahead-%=%)

$(VENV)/.core: envs/core.txt scripts/setup/cpu_torch.py
	@$(PYTHON) -m scripts.setup.machine
	$(call environment,$(VENV),-r envs/core.txt)
	$(BIN)/python -m scripts.setup.cpu_torch
	@touch $@

$(VENV)/.test: envs/test.txt $(VENV)/.core
	$(BIN)/python -m pip install --quiet --no-compile -r envs/test.txt
	@touch $@

env: $(VENV)/.core
	$(BIN)/python -m scripts.setup.build_env $(NAME)

environment: $(VENV)/.core
	@echo "Now: . $(BIN)/activate"

weights: $(VENV)/.core
	$(BIN)/python -m scripts.setup.assemble_weights

# In the environment, if there is one; else in one of little more than Snakemake and SciPy.
CHECK := $(if $(wildcard $(VENV)/.core),$(VENV),.venv-check)

.venv-check/.installed: envs/base.in envs/core.txt
	@$(PYTHON) -m scripts.setup.machine
	$(call environment,.venv-check,-r envs/base.in snakemake -c envs/core.txt)
	@touch $@

check: $(if $(wildcard $(VENV)/.core),,.venv-check/.installed)
	$(CHECK)/bin/snakemake compare errata --quiet
	@echo
	@echo "What is printed, recomputed     results/paper/compare.md (.csv, .tex)"
	@echo "Where text and data disagree    results/paper/errata.md (.csv, .tex)"

# No language model; 230 MB of weights and media.
quick: ahead-quick $(VENV)/.core
	$(BIN)/python -m scripts.setup.assemble_weights campplus dnsmos pyannote-segmentation whisper-base
	$(BIN)/snakemake compare errata table5 corpus_quality --configfile config/quick.yaml
	@echo
	@echo "What is printed, recomputed   results/paper/compare.md, errata.md, table5.md"
	@echo "A real call, scored           results/paper/corpus_quality.md"

# SIZE: an overlay of the config, for another size than the demo's.
demo: ahead-demo weights
	$(BIN)/snakemake all $(SIZE:%=--configfile %)
	$(BIN)/snakemake all $(SIZE:%=--configfile %) --report results/report.html --quiet
	@echo
	@echo "The tables are in      results/paper/table1.md ... table7.md (also .csv, .tex)"
	@echo "The figures are in     results/paper/figure2.md, figure3.png ... figure5.png (also .pdf, .svg)"
	@echo "The corpus, scored     results/paper/corpus_quality.md"
	@echo "The report is          results/report.html (open it in a browser)"
	@echo "All rows behind them   results/ (the path grammar is at the top of the Snakefile)"

# Files in the order of tests/conftest.py.
IN_PARALLEL = -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.test weights lint
	$(BIN)/python -m pytest --ignore=tests/models --ignore=tests/cluster --ignore=tests/chaos --ignore=tests/full_duplex \
	  $(IN_PARALLEL)

# make exports CALLS and SEEDS of its command line; tests/chaos reads them from the environment.
test-chaos: $(VENV)/.test
	$(BIN)/python -m pytest tests/chaos

test-duplex: $(VENV)/.test weights
	$(BIN)/python -m pytest tests/full_duplex

$(MODELS)/.installed: envs/models.txt envs/models-alone.txt scripts/setup/cpu_torch.py
	$(call environment,$(MODELS),-r envs/models.txt)
	$(MODELS)/bin/python -m pip install --quiet --no-compile --no-deps -r envs/models-alone.txt
	$(MODELS)/bin/python -m scripts.setup.cpu_torch
	@touch $@

# What the environment cosyvoice locks in other versions; tests/models/test_cosyvoice_lock.py uses it.
$(MODELS)/cosyvoice/.installed: envs/cosyvoice.txt $(MODELS)/.installed
	grep -E '^(transformers|tokenizers|huggingface-hub|diffusers)==' envs/cosyvoice.txt | $(MODELS)/bin/python \
	  -m pip install --quiet --no-compile --no-deps --upgrade --target $(MODELS)/cosyvoice -r /dev/stdin
	@touch $@

test-models: $(MODELS)/cosyvoice/.installed
	$(MODELS)/bin/python -m scripts.setup.assemble_weights dnsmos minilm
	OMP_NUM_THREADS=1 $(MODELS)/bin/python -m pytest tests/models $(IN_PARALLEL)

$(CLUSTER)/.installed: envs/slurm.txt envs/core.txt envs/test.txt
	$(PYTHON) -m tests.cluster.slurm & debian=$$!; \
	  $(call environment,$(CLUSTER),-r envs/slurm.txt -c envs/test.txt pytest) && \
	  $(CLUSTER)/bin/python -m scripts.setup.cpu_torch && wait $$debian
	@touch $@

test-cluster: $(CLUSTER)/.installed
	$(CLUSTER)/bin/python -m scripts.setup.assemble_weights
	$(CLUSTER)/bin/python -m pytest tests/cluster

# By hand, before the locks are compiled anew: whether what the project uses of Snakemake is still there.
test-newest:
	$(call environment,$(NEWEST),--upgrade -r envs/base.in snakemake snakemake-executor-plugin-slurm pytest hypothesis)
	PYTHONPATH=. $(NEWEST)/bin/python -m pytest tests/test_shape.py tests/workflow/test_guards.py tests/workflow/test_slurm_arrays.py
	PYTHONPATH=. $(NEWEST)/bin/python -m pytest tests/test_workflow.py -k "(chain or dry_run or refused or listed) and not science"

$(BENCH)/.installed: envs/bench.txt
	$(call environment,$(BENCH),-r envs/bench.txt)
	$(BENCH)/bin/python -m scripts.setup.cpu_torch
	@touch $@

bench: $(BENCH)/.installed
	$(BENCH)/bin/python -m scripts.setup.assemble_weights campplus dnsmos kokoro pyannote-segmentation smart-turn spleeter whisper-base
	$(BENCH)/bin/python -m benchmarks

scale: $(VENV)/.core
	$(BIN)/python -m benchmarks.scale

bench-models: $(MODELS)/.installed
	OMP_NUM_THREADS=1 $(MODELS)/bin/python -m benchmarks.models

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint --quiet

# core, bench and models are locked against a CPU build of PyTorch if UV_FIND_LINKS or
# UV_EXTRA_INDEX_URL provides one; the others against PyPI's, which includes CUDA.
locks: $(VENV)/.test
	$(BIN)/python -m scripts.setup.lock core bench models
	env -u UV_FIND_LINKS -u UV_EXTRA_INDEX_URL \
	  $(BIN)/python -m scripts.setup.lock torch cosyvoice personaplex vllm api
