# Each target does all its own set-up on a machine with Python 3.11, make and git.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# One thread a process: trials and tests run side by side, and sums keep their order.
export OMP_NUM_THREADS := 1
# Tests start hundreds of processes: what one has compiled the others are to find.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lint types board docs

# Every method on the embedded cohorts, and the leaderboard on the screen.
demo: $(INSTALLED)
	$(BIN)/mirror-bench run --methods all --tasks survival --budget smoke --folds 3 --repeats 1 --results .demo/results
	$(BIN)/mirror-bench leaderboard --results .demo/results --output .demo/leaderboard.md

# Two test files at a time, each whole on one worker: modules share fixtures.
test: check
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Two at a time: types and the leaderboard take a minute each.
check: $(INSTALLED)
	$(MAKE) --jobs 2 --output-sync types board docs lint

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

board: $(INSTALLED)
	$(BIN)/mirror-bench leaderboard --check

# The documentation as a site: open site/index.html; search wants a server (`mkdocs serve`).
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Not compiled: most of what is installed is never imported.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	touch $@
