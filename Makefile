PYTHON ?= python3.11
SEEDS ?= 0
DATA ?= shapes
GOLDEN ?= tests/golden
VENV := .venv
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install table2 fidelity test test-all test-gpu lint format clean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED) ## Set up .venv with what was tested (other commands do it by themselves)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'
	touch $@

table2: $(INSTALLED) ## Train and print Table 2 on the embedded data (SEEDS=0,1,2 for three; FORCE=1 again)
	$(VENV)/bin/fcn table run table2 --data $(DATA) --seeds $(SEEDS) $(if $(FORCE),--force)

fidelity: $(INSTALLED) ## The reference's own values beside ours (GOLDEN=FOLDER for others than tests/golden)
	$(VENV)/bin/fcn fidelity "$(GOLDEN)"

test: $(INSTALLED) ## The tests: a few minutes, no network
	$(VENV)/bin/python -m pytest

test-all: $(INSTALLED) ## The tests with the long ones: clusters, searches (skipped where a program is missing)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,search]'
	$(VENV)/bin/python -m pytest -m ""

test-gpu: $(INSTALLED) ## What can only be seen on GPUs (skipped, with the reason, where there are too few)
	$(VENV)/bin/python -m pytest -rs tests/gpu

lint: $(INSTALLED) ## Style, types and who imports whom
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(INSTALLED) ## Put the code in its format
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## Remove .venv; runs and data stay
	rm -rf $(VENV)
