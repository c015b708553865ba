# Flowerbed: `make` prints what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Start here
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flowerbed needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a minute or so)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,dev]'
	@touch $@

.PHONY: setup
setup: $(READY) ## Make the Python environment in .venv

.PHONY: demo
demo: $(READY) ## Train examples/digits through a declared federation on this machine
	@$(BIN)/python examples/digits/demo.py $(DEMO)

.PHONY: test
test: lint types test-unit test-local ## Everything that needs no cluster

##@ Parts of the tests
.PHONY: lint
lint: $(READY) ## Style and common mistakes (ruff), and generated files up to date
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(MAKE) generated-check

.PHONY: types
types: $(READY) ## Strict types (mypy)
	@$(BIN)/mypy
	@$(BIN)/mypy scripts/submit.py scripts/registrar.py scripts/supernode.py

.PHONY: test-unit
test-unit: $(READY) ## Tests that start nothing
	@$(BIN)/pytest tests/unit $(PYTEST)

.PHONY: test-local
test-local: $(READY) ## Tests with real Flower processes on loopback
	@$(BIN)/pytest tests/local $(PYTEST)

##@ Keeping house
.PHONY: generated
generated: $(READY) ## Rebuild every generated file that is committed
	@$(BIN)/flowerbed schema > schema/federation.schema.json

.PHONY: generated-check
generated-check: $(READY) ## Fail if a generated file is not what its sources give
	@$(BIN)/flowerbed schema | diff -u schema/federation.schema.json - \
	  || { echo "schema/federation.schema.json is out of date: run 'make generated'" >&2; exit 1; }

.PHONY: format
format: $(READY) ## Write the code in its one style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: bench
bench: $(READY) ## Measure against the alternatives, as ratios (takes minutes)
	@mkdir -p bench/results
	@for program in bench/generate.py bench/submit.py; do $(BIN)/python $$program; done

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache bench/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
