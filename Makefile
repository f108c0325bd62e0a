# `make demo` and `make test` work on a bare Debian or Ubuntu: Python 3.11 or newer with venv, make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

MODELS := .venv-models
CLUSTER := .venv-cluster

.PHONY: help demo test test-models test-cluster weights lint bench bench-models bench-services locks
help:
	@echo "make demo     environment, model weights, media, every table and figure (20 minutes)"
	@echo "make test     the tests (10 minutes); make lint for the style checks alone"
	@echo "make test-models  the paper's models through their own packages, on tiny weights (15 minutes)"
	@echo "make test-cluster  the workflow on a SLURM of its own (root; Debian; 10 minutes)"
	@echo "make weights  only the environment and the model weights"
	@echo "make bench    measured speed and size of the demo's last run; make bench-models: each backend beside its"
	@echo "              package; make bench-services: the client of services beside its ideal"
	@echo "make locks    compiles envs/*.in anew"

# PYTHONPATH of the caller would shadow the pinned packages.
unexport PYTHONPATH

$(VENV)/.core: envs/core.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r envs/core.txt
	@touch $@

$(VENV)/.test: envs/test.txt $(VENV)/.core
	$(BIN)/python -m pip install --quiet -r envs/test.txt
	@touch $@

weights: $(VENV)/.core
	$(BIN)/python -m scripts.setup.weights

demo: weights
	$(BIN)/snakemake all
	$(BIN)/snakemake all --report results/report.html --quiet
	@echo
	@echo "The tables are in      results/paper/table1.md ... table7.md (also .csv, .tex)"
	@echo "The figures are in     results/paper/figure2.md, figure3.png ... figure5.png (also .pdf, .svg)"
	@echo "The corpus, scored     results/paper/corpus_quality.md"
	@echo "The report is          results/report.html (open it in a browser)"
	@echo "All rows behind them   results/ (the path grammar is at the top of the Snakefile)"

test: $(VENV)/.test weights lint
	$(BIN)/python -m pytest --ignore=tests/models --ignore=tests/cluster

$(MODELS)/.installed: envs/models.txt envs/models-alone.txt tests/models/cpu_torch.py
	$(PYTHON) -m venv $(MODELS)
	$(MODELS)/bin/python -m pip install --quiet --upgrade pip
	$(MODELS)/bin/python -m pip install --quiet -r envs/models.txt
	$(MODELS)/bin/python -m pip install --quiet --no-deps -r envs/models-alone.txt
	$(MODELS)/bin/python -m tests.models.cpu_torch
	@touch $@

test-models: $(MODELS)/.installed
	$(MODELS)/bin/python -m scripts.setup.weights dnsmos minilm
	OMP_NUM_THREADS=1 $(MODELS)/bin/python -m pytest tests/models -n 2 --dist loadfile

$(CLUSTER)/.installed: envs/slurm.txt envs/core.txt envs/test.txt
	$(PYTHON) -m venv $(CLUSTER)
	$(CLUSTER)/bin/python -m pip install --quiet --upgrade pip
	$(CLUSTER)/bin/python -m pip install --quiet -r envs/slurm.txt -r envs/test.txt
	@touch $@

test-cluster: $(CLUSTER)/.installed weights
	$(CLUSTER)/bin/python -m pytest tests/cluster

bench-models: $(MODELS)/.installed
	OMP_NUM_THREADS=1 $(MODELS)/bin/python -m benchmarks.models

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --quiet

bench: $(VENV)/.core
	$(BIN)/python -m benchmarks.demo

bench-services: $(VENV)/.core
	$(BIN)/python -m benchmarks.services

# core and models are locked against a CPU build of PyTorch, where uv is told of one
# (UV_FIND_LINKS, UV_EXTRA_INDEX_URL); the others against PyPI's, which brings CUDA.
locks: $(VENV)/.test
	$(BIN)/python -m scripts.setup.lock core models
	env -u UV_FIND_LINKS -u UV_EXTRA_INDEX_URL \
	  $(BIN)/python -m scripts.setup.lock torch cosyvoice personaplex vllm api
