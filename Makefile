# The commands of this house; `make` lists them. Each does the set-up that it needs.

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint check bench drills test-real test-browser test-parts clean lock

BIN := .venv/bin

# The first Python on this machine that is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$each" && break; done)

# Real documents lie beside the checkout where the house is built; elsewhere the variable names the folder.
ifneq ($(wildcard ../shared/samples),)
export TRIPARTITE_SAMPLES ?= $(abspath ../shared/samples)
endif

INVOICES ?= 200
SEED ?= 7
PYTEST ?= $(BIN)/pytest -n 2 --dist loadfile --durations 15

help: ## lists the commands
	@awk -F ' *## ' '/^[a-z-]+:.* ## /{sub(/:.*/, "", $$1); printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.stamp ## .venv with the locked packages, and the console's assets; seconds when nothing changed

.venv/.stamp: requirements.lock requirements-node.lock pyproject.toml scripts/setup.py $(wildcard package-lock.json scripts/assets.py)
	@test -n "$(PYTHON)" || { echo "Tripartite needs Python 3.11 or later, and none was found on PATH." \
		"Install one, or say where it is: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) scripts/setup.py

demo: setup ## the reference story with live traffic, and the console on this machine
	$(BIN)/tripartite demo

test: setup ## every test, on two processes; tests of real documents need TRIPARTITE_SAMPLES
	$(PYTEST)

lint: setup ## form, types and import contracts, so that a review can be about the business
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## what must be clean before a commit: lint and test

bench: setup ## the performance figures, each beside its physical limit measured in the same run
	$(BIN)/tripartite bench

drills: setup ## a whole story with faults and lost answers, judged by its invariants: INVOICES=200 SEED=7
	@mkdir -p build
	$(BIN)/tripartite demo --headless --invoices $(INVOICES) --seed $(SEED) --json build/drill-$(SEED).json

test-real: setup ## only what reads documents that others made; none of it may be skipped
	PYTHONPATH=$(CURDIR)/tests $(PYTEST) -p house.sample_guard -m samples

test-browser: setup ## the console in a real Chromium, headless (needs Debian's package chromium)
	$(BIN)/pytest -m browser tests/browser

test-parts: setup ## the slow ones: each part alone, stopped, upgraded and started again; the story with systems away
	$(BIN)/pytest -m parts tests/parts tests/scenarios

lock: setup ## resolves the dependencies anew and writes their hashes to requirements.lock
	$(BIN)/python scripts/lock.py

clean: ## removes what these commands made: .venv, assets, caches; never an estate or its data
	rm -rf .venv node_modules src/tripartite/components/console/assets/vendor build dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
