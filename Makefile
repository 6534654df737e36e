# Everything runs in an environment of its own, made from a bare Python and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test suite test-fast test-slow check study results shipped-fit perf clean
.DELETE_ON_ERROR:

# A command is mostly imports, and without bytecode they take five times as long.
unexport PYTHONDONTWRITEBYTECODE

demo: $(VENV)/user
	$(BIN)/skillscale demo --out demo --force

# Both at once: types are checked on one core, and the tests wait for each other at their end.
test: $(VENV)/dev
	$(MAKE) -j2 check suite

suite: $(VENV)/dev
	$(BIN)/python -m pytest -m "not slow" -n 2

test-fast: $(VENV)/dev
	$(BIN)/python -m pytest -m "not slow and not long" -n 2

test-slow: $(VENV)/dev
	$(BIN)/python -m pytest -m slow -n 2

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pydoclint --quiet src

study: $(VENV)/dev
	$(BIN)/python tests/study.py

# What back-tests found, as README and notebooks show it: an hour.
BACKTEST = $(BIN)/skillscale backtest --force --out benchmarks_data/backtest/results

results: $(VENV)/user
	$(BACKTEST)/sloth --protocol sloth --all-settings
	$(BACKTEST)/sloth-all --protocol sloth --all-settings --data all
	for seen in 0 1 2; do \
		$(BACKTEST)/time-ordered-$$seen --protocol time-ordered --n-seen $$seen || exit 1; done
	for seen in 0 1; do \
		$(BACKTEST)/late-$$seen --protocol time-ordered --n-seen $$seen \
			--data all --cuts 2024-08,2024-12 || exit 1; done

# The fit that ships, by all forms: made again where the law or the shipped table change.
shipped-fit: $(VENV)/user
	$(BIN)/skillscale fit --forms -o benchmarks_data/fit.nc --force

# How long things take, and the samplers of other packages: an hour and a half, of an idle machine.
perf: $(VENV)/perf
	$(BIN)/python tests/perf.py

# Bytecode is made of what is imported, when it is: a third of the time of installing all of it.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/user: pyproject.toml | $(BIN)/python
	$(INSTALL) .
	touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/python
	$(INSTALL) '.[dev]'
	touch $@

$(VENV)/perf: pyproject.toml | $(BIN)/python
	$(INSTALL) '.[perf]'
	touch $@

clean:
	rm -rf $(VENV) demo
