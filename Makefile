# One definition of every check: pre-commit, CI and people all call these targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
.DEFAULT_GOAL := help

.PHONY: help setup demo test test-slow test-all test-lowest check audit format serve console bench soak lock docker-lint docker-steps clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# The stamp makes every later call instant; the environment is brought up to date when lock or project file change.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "optimizer needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV) (once; takes a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

setup: $(READY) ## make the virtual environment

demo: $(READY) ## run the main job end to end: a real service, a real history, over HTTP
	@$(BIN)/optimizer demo

test: $(READY) ## the tests (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -n auto -m "not slow"

test-slow: $(READY) ## statistics over many seeds
	$(BIN)/python -m pytest -n auto -m slow

test-all: check audit test test-slow ## everything CI runs

test-lowest: ## the tests on the oldest dependencies that pyproject.toml admits
	scripts/test_lowest.sh

check: $(READY) ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(READY) ## look dependencies up among known vulnerabilities; check pins, hashes and licences
	@$(BIN)/python scripts/audit.py

format: $(READY) ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

serve: $(READY) workspace ## serve the example workspace on http://127.0.0.1:8080, with a key to try it
	@$(BIN)/optimizer serve --workspace workspace

console: $(READY) shop ## serve an example with a month behind it, and say how to sign in to its console
	@$(BIN)/optimizer serve --workspace shop

shop: | $(READY)
	@$(BIN)/optimizer tour $@

# The example, applied and approved, with a key that may do everything: to try, not to deploy.
workspace: | $(READY)
	@$(BIN)/optimizer init $@
	@$(BIN)/optimizer apply --workspace $@ --note "the example"
	@$(BIN)/optimizer approve winback --workspace $@ --note "the example"
	@$(BIN)/optimizer key create --workspace $@ --name example \
	  --scope decide --scope report_outcomes --scope manage --scope analyse

bench: $(READY) ## benchmarks; each prints a ratio against a peer or a limit, and fails where it misses its target
	@failed=0; for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || failed=1; done; exit $$failed

soak: $(READY) ## half an hour of mixed load, killed workers and database crashes; then looks for all that was acknowledged
	$(BIN)/python benchmarks/soak.py

lock: $(READY) ## renew requirements.lock from pyproject.toml
	scripts/lock.sh

docker-lint: $(READY) ## lint the Dockerfile
	scripts/docker_lint.sh

docker-steps: ## run the Dockerfile's build steps by hand in a clean folder (no Docker engine needed)
	scripts/docker_steps.sh

clean: ## remove what this Makefile made
	rm -rf $(VENV) .venv-* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
