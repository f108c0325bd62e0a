# `make demo` and `make test` work on a bare Debian or Ubuntu: Python 3.11 or newer with venv, make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test weights lint bench
help:
	@echo "make demo     environment, model weights, media, every table and figure (20 minutes)"
	@echo "make test     the tests (10 minutes); make lint for the style checks alone"
	@echo "make weights  only the environment and the model weights"
	@echo "make bench    measured speed and size of the demo's last run"

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
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --quiet

bench: $(VENV)/.core
	$(BIN)/python -m benchmarks.demo
