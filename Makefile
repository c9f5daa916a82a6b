PYTHON ?=
UV ?=
SEEDS ?= 0
DATA ?= shapes
GOLDEN ?= tests/golden
TESTS ?=
SECTIONS ?=
VENV := .venv
SET_UP := PYTHON="$(PYTHON)" UV="$(UV)" scripts/venv $(VENV)
# A process for each core, with one thread each: OpenMP's threads would compete. Files run in conftest.py's order. Memory
# that is given back to the system at once, glibc's default, costs a tenth of the time.
PYTEST := OMP_NUM_THREADS=1 MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=268435456 $(VENV)/bin/python -m pytest --numprocesses=auto --maxprocesses=8 --dist=loadfile --no-loadscope-reorder --durations=10

.DEFAULT_GOAL := help
.PHONY: help venv install table2 figures fidelity test test-all test-gpu test-pythons bench bench-gpu lint format clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.12 selects the Python of a new .venv (default: the first that runs of 3.13, 3.12, 3.11)."
	@echo "  UV=1 installs with uv instead of pip."

install: venv ## Create .venv with the tested versions (the other commands do this when needed)

venv:
	@$(SET_UP) dev

table2: venv ## Train on the embedded data and print Table 2 (SEEDS=0,1,2 for three seeds, FORCE=1 to train again)
	$(VENV)/bin/fcn table run table2 --data $(DATA) --seeds $(SEEDS) $(if $(FORCE),--force)

figures: table2 ## Draw the README's figures again, from table2's runs (needs Chromium: tests/report/install)
	@$(SET_UP) dev,browser
	$(VENV)/bin/python scripts/figures.py

fidelity: venv ## Compare with the reference's values (GOLDEN=FOLDER for values other than tests/golden)
	PYTHONPATH=tests $(VENV)/bin/python -m fidelity "$(GOLDEN)"

test: venv ## Run the tests (minutes, no network; TESTS=tests/models for some of them)
	$(PYTEST) $(TESTS)

test-all: test ## Run the long tests too: clusters, searches, browser (skipped if a program is missing)
	@$(SET_UP) dev,search,browser
	$(VENV)/bin/python -m pytest -rs -m slow

test-gpu: venv ## Run the GPU tests (skipped, with the reason, if there are too few GPUs)
	$(VENV)/bin/python -m pytest -rs tests/gpu

test-pythons: ## Run the unit tests on each installed Python (environments in .venvs, 6 GB each)
	@scripts/test-pythons

bench: venv ## Time passes, steps, reading and runs beside other packages (25 minutes; SECTIONS=forward)
	$(VENV)/bin/python benchmarks/cpu.py $(SECTIONS)

bench-gpu: venv ## Time passes and steps on a GPU
	$(VENV)/bin/python benchmarks/gpu.py

lint: venv ## Check style, types and imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: venv ## Format the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## Delete .venv and .venvs; runs and data stay
	rm -rf $(VENV) .venvs
