# make demo    bars that ship with a dependency -> a trained, scored model and a report page, in minutes
# make test    linters, types, import layers, tests
# make test-all   the same with each of PYTHONS, in a .venv-<version> of its own; types and layers with the first alone
# make slow    the tests that take minutes: pages followed, kills and restarts; and those of programs compiled as users
#              do, with the optimizations that other tests leave out: bits, learning on synthetic series
# make lint    the first three of `make test` alone
# make mutants how many small changes of the code the tests notice, for an hour on 2 cores;
#              e.g. `make mutants MINUTES=20 ONLY=data/splits,metrics/*`
# make fuzz    bytes at random for the readers of bars, configurations and spaces, for ten minutes each;
#              e.g. `make fuzz MINUTES=1 ONLY=csv,space`
# make kills   training, search, backtest, refit and update killed at random moments and started again, compared with
#              undisturbed ones; e.g. `make kills KILLS=search-median=5,refit=2`
# make docs    the pages of docs/ as a site, with a reference and a gallery of reports: site/index.html;
#              `make docs GALLERY=` without the reports and their trainings
# make wheel   the wheel and the source archive, installed where the sources are not, and used there
# make gpu-acceptance  on a machine with an NVIDIA GPU: the laws that must hold there and the measurements, in 20 minutes
#              after what it installs; writes gpu.md, and fails where a law does
PYTHON ?= python3
PYTHONS ?= python3.11 python3.13
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
CONSTRAINTS := $(firstword $(wildcard constraints-$(VERSION).txt) constraints.txt)
VENV := .venv
BIN := $(VENV)/bin
# files in the order of tests/conftest.py, which begins with those that take longest
PYTEST := $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder --durations 20 --durations-min 5
# slow tests wait for processes, leases and servers, so that one more than there are cores keeps these busy
WORKERS := $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
DEMO_RECIPE ?= index_1d
MINUTES ?= 60
ONLY ?= *
GALLERY ?= build/gallery
GPU_MINUTES ?= 20

.DEFAULT_GOAL := test
.PHONY: demo test fast test-all slow lint wheel mutants fuzz kills docs gpu-acceptance clean

demo: $(VENV)/installed
	$(BIN)/nextbar data sample demo/data
	$(BIN)/nextbar recipe $(DEMO_RECIPE) --data demo/data > demo/recipe.yaml
	run=$$($(BIN)/nextbar train demo/recipe.yaml) && $(BIN)/nextbar report "$$run"

test: lint fast

fast: $(VENV)/installed-dev
	$(PYTEST) -m "not slow"

test-all:
	@target=test; for python in $(PYTHONS); do \
	    version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') && \
	    $(MAKE) $$target PYTHON=$$python VENV=.venv-$$version || exit; \
	    target=fast; \
	done

wheel:
	$(PYTHON) tests/wheel.py --constraints $(CONSTRAINTS)

slow: $(VENV)/installed-dev
	$(PYTEST) -n $(WORKERS) -m slow
	$(PYTEST) -m optimized

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutants: $(VENV)/installed-mutants
	@$(BIN)/python tests/mutants.py --minutes $(MINUTES) --only '$(ONLY)'

fuzz: MINUTES = 10
fuzz: ONLY = csv,csv.gz,json,parquet,layouts,answers,feather,zip,config,yaml,space,expression
fuzz: $(VENV)/installed-dev
	@PYTHONPATH=tests/support $(BIN)/python tests/fuzz.py --minutes $(MINUTES) --only '$(ONLY)'

kills: KILLS = training=100,search=30,backtest=10,refit=10,update=10
kills: $(VENV)/installed-dev
	@PYTHONPATH=tests/support $(BIN)/python tests/kills.py --kills $(KILLS)

docs: $(VENV)/installed-docs
	$(if $(GALLERY),$(BIN)/python docs/site/gallery.py $(GALLERY))
	NEXTBAR_GALLERY=$(GALLERY) $(BIN)/mkdocs build

gpu-acceptance: $(VENV)/installed-gpu
	$(BIN)/python bench/gpu.py --minutes $(GPU_MINUTES) --out gpu.md

# A stamp is newer than what it was made from, so an unchanged tree installs nothing.
$(VENV)/installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[docs]'
	touch $@

$(VENV)/installed-gpu: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[cuda]'
	touch $@

$(VENV)/installed-mutants: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[mutants]'
	touch $@

clean:
	rm -rf .venv .venv-* demo build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
