# A fresh machine needs Python 3.11 or newer and make; everything else comes from requirements.lock.
# Which Python: `make PYTHON=python3.13 …`, else the first that .ci/find-python finds.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One worker a core and one more; who is done takes from who is not.
SHARED := -n auto --dist worksteal

# Compiled modules are kept: the tests start a hundred processes, and each would compile all of Cuebird anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick check bench mutants wheel pictures lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from the pinned lock

$(STAMP): requirements.lock pyproject.toml
	@python=$$(.ci/find-python $(PYTHON)) && echo "$$python -m venv $(VENV)" && "$$python" -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: setup ## the whole thing on one loopback port (PORT=8700): shop, inbox, dashboard
	$(BIN)/cuebird demo $(if $(PORT),--port $(PORT))

test: setup ## every test
	$(BIN)/pytest $(SHARED)

quick: setup ## the tests that start no process and repeat little, in seconds
	$(BIN)/pytest $(SHARED) -m "not slow"

check: setup ## lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_layers.py

bench: setup ## the canonical workload, as ratios measured in one run
	$(BIN)/python -m bench

mutants: setup ## change the code a little, at random: does a test notice? (N=40 PATHS=actors SEED=7)
	$(BIN)/python -m tests.mutants $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED)) $(PATHS)

wheel: setup ## build dist/*.whl, the rooms under one roof (hatch_build.py)
	$(BIN)/python -m hatchling build -t wheel

pictures: setup ## take the pictures of the README anew (needs Chromium)
	$(BIN)/python -m tests.acceptance.pictures

lock: ## resolve requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -q -o requirements.lock

clean: ## remove what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
