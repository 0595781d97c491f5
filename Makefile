# make demo    bars that ship with a dependency -> a trained, scored model and a report page, in minutes
# make test    linters, types, import layers, tests
# make slow    the tests that take minutes: learning on synthetic series, kills and restarts
# make lint    the first three of `make test` alone
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_CONFIG ?= configs/sp500_distribution.yaml

.DEFAULT_GOAL := test
.PHONY: demo test slow lint clean

demo: $(VENV)/installed
	$(BIN)/nextbar data sample demo/data
	run=$$($(BIN)/nextbar train $(DEMO_CONFIG)) && $(BIN)/nextbar report "$$run"

test: lint
	$(BIN)/pytest -n auto --dist loadfile -m "not slow"

slow: $(VENV)/installed-dev
	$(BIN)/pytest -n auto --dist loadfile -m slow

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A stamp is newer than what it was made from, so an unchanged tree installs nothing.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
