# Flowerbed: `make` prints what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Else Python compiles all of Flowerbed in each of the thousands of processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Start here
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flowerbed needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	@echo "installing into $(VENV) (a minute or so)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,dev,docs]'
	@touch $@

.PHONY: setup
setup: $(READY) ## Make the Python environment in .venv

.PHONY: demo
demo: $(READY) ## Train examples/digits through a declared federation on this machine
	@$(BIN)/python examples/digits/demo.py $(DEMO)

.PHONY: test
test: packages-quick $(READY) ## The quick tests: style, types, units, a small federation, rendered charts
	@tools/parts $(QUICK)

.PHONY: test-all
test-all: packages-all $(READY) ## Everything that needs no cluster
	@tools/parts $(QUICK) $(REST)

.PHONY: test-rest
test-rest: packages-all $(READY) ## What test-all has beyond test
	@tools/parts $(REST)

QUICK := lint types test-unit test-smoke test-render
REST  := test-local test-charts

##@ Parts of the tests
.PHONY: lint
lint: $(READY) ## Style and common mistakes (ruff), and generated files up to date
	@$(BIN)/ruff check --no-cache  # its cache does not see that a new file made an import the project's own
	@$(BIN)/ruff format --check
	@$(MAKE) generated-check

.PHONY: types
types: $(READY) ## Strict types (mypy)
	@$(BIN)/mypy
	@cd tests/cluster && MYPYPATH=$(CURDIR)/tests:$(CURDIR)/tools $(CURDIR)/$(BIN)/mypy --config-file= --strict --ignore-missing-imports \
	  --explicit-package-bases --no-warn-return-any --exclude rounds_app .
	@for chart in charts/superlink/ charts/supernode/; do echo "$$chart"; \
	  $(BIN)/mypy --config-file= --strict --follow-imports=skip --ignore-missing-imports \
	  --no-warn-return-any --no-warn-unused-ignores --allow-subclassing-any $$(ls $${chart}files/*.py | grep -v launch.py); done

.PHONY: test-unit
test-unit: $(READY) ## Tests that start nothing
	@$(BIN)/pytest -n auto tests/unit $(PYTEST)

# Tests with real processes wait, too, so that one more of them than there are cores runs side by side.
SIDE_BY_SIDE := -n $(shell echo $$(($$(nproc) + 1))) --dist loadfile

.PHONY: test-smoke
test-smoke: $(READY) ## A real federation on loopback: it trains, takes a run, refuses a user who may not submit
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m smoke tests/local $(PYTEST)

.PHONY: test-local
test-local: $(READY) ## All other tests with real Flower processes on loopback
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m "not smoke" tests/local $(PYTEST)

.PHONY: test-render
test-render: $(READY) ## The charts as Helm renders them: lint, helm-unittest, every object against the rules
	@if tools=$$(tools/build); then \
	  for chart in charts/*/Chart.yaml; do for helm in helm helm3; do \
	    "$$tools/$$helm" lint --strict --quiet $${chart%Chart.yaml}; done; done; \
	  "$$tools/helm-unittest" --strict $$(dirname charts/*/Chart.yaml); \
	elif [ "$${CI:-}" = true ]; then exit 1; \
	else echo "go: helm lint and helm-unittest" >> "$${FLOWERBED_NOT_RUN:-/dev/stderr}"; fi
	@$(BIN)/pytest -n auto -m "not pods" tests/charts $(PYTEST)

.PHONY: test-charts
test-charts: $(READY) ## The charts' pods as processes here, with a real Flower; checkov on what is rendered
	@if tools/build >/dev/null; then tools/checkov; \
	elif [ "$${CI:-}" = true ]; then exit 1; \
	else echo "go: checkov" >> "$${FLOWERBED_NOT_RUN:-/dev/stderr}"; fi
	@$(BIN)/pytest -n auto -m pods tests/charts $(PYTEST)

.PHONY: test-cluster
test-cluster: $(READY) ## The charts on a real Kubernetes (a context, kind, or one built here; see docs/contributing/cluster-tests.md)
	@$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder tests/cluster $(PYTEST)

.PHONY: packages packages-quick packages-all
packages: ## Install Debian's packages that all tests use, as root
	@tools/packages cluster
packages-quick packages-all:
	@tools/packages $(@:packages-%=%)

.PHONY: tools
tools: $(READY) ## Build Helm, helm-unittest and kubeconform in their pinned versions (once; needs Go)
	@echo "chart tools: $$(tools/build)"

##@ One party on Kubernetes: FEDERATION=federation.yaml PARTY=coordinator or a tenant's name
FEDERATION ?= federation.yaml
PARTY      ?= coordinator
ONE_PARTY  := $(FEDERATION) --party $(PARTY)

.PHONY: install upgrade template status uninstall
install: $(READY) ## Install the party's release and wait until it is ready (flowerbed apply)
	@$(BIN)/flowerbed apply $(ONE_PARTY)
upgrade: install ## The same: upgrade it to what the declaration says now
template: $(READY) ## Print what Helm would install
	@$(BIN)/python tools/template.py $(FEDERATION) $(PARTY)
status: $(READY) ## Show its release, its pods and what is wrong (flowerbed status)
	@$(BIN)/flowerbed status --cluster $(ONE_PARTY)
uninstall: $(READY) ## Remove its release; the SuperLink's state and the keys stay (flowerbed uninstall)
	@$(BIN)/flowerbed uninstall $(ONE_PARTY)

##@ A Kubernetes to play with: NAME=play NODES=1 (Linux, root, Go)
NAME  ?= play
NODES ?= 1

.PHONY: cluster
cluster: $(READY) ## Start a cluster; prints how to use it, and it runs until cluster-down
	@cd tests/cluster && $(CURDIR)/$(BIN)/python -m harness up $(NAME) --nodes $(NODES)

.PHONY: cluster-down
cluster-down: $(READY) ## End that cluster, and remove what killed ones left
	@cd tests/cluster && $(CURDIR)/$(BIN)/python -m harness down $(NAME)

##@ Documentation
.PHONY: picture
picture: ## Take the picture in README.md from the report of the demo (Chromium)
	@tools/picture

.PHONY: docs
docs: $(READY) ## Build the documentation site into .cache/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "built: .cache/site/index.html"

.PHONY: docs-serve
docs-serve: $(READY) ## Show the site on http://127.0.0.1:8000, and rebuild it when a page changes
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

##@ Keeping house
.PHONY: generated
generated: $(READY) ## Rebuild every generated file that is committed, or FILES alone
	@PYTHONPATH=tests $(BIN)/python tools/generated.py $(FILES)

.PHONY: shapes
shapes: $(READY) ## Rewrite tests/snapshots/json: the form of what each verb prints with --json
	@rm -f tests/snapshots/json/*.txt
	@FLOWERBED_WRITE_SHAPES=1 $(BIN)/pytest -q tests/local/test_json_federation.py
	@FLOWERBED_WRITE_SHAPES=1 $(BIN)/pytest -q tests/unit/cli/test_json_shapes.py

.PHONY: generated-check
generated-check: $(READY) ## Fail if a generated file is not what its sources give
	@PYTHONPATH=tests $(BIN)/python tools/generated.py --check $(FILES)

.PHONY: package
package: $(READY) ## Write wheel, chart archives, submit.pyz and checksums into dist/
	@$(BIN)/python tools/package.py --helm "$$(tools/build)/helm"

.PHONY: format
format: $(READY) ## Write the code in its one style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: bench
bench: $(READY) ## Measure against the alternatives, as ratios (takes minutes)
	@mkdir -p bench/results
	@for program in bench/generate.py bench/submit.py bench/runs.py bench/follow.py bench/rounds.py bench/gateway.py bench/attack.py; do $(BIN)/python $$program; done

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache bench/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
