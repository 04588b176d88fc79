# make setup       .venv with `tsa` and `tsa-bench`, pinned dependencies
# make run         set up what serving needs, then serve on 127.0.0.1:3161 with state in ./tsa-data
# make test        set up, then run every test; T="tests/clock -k step" chooses some
# make test-quick  all but what has servers of its own or waits (SLOW in tests/conftest.py): under two minutes, for while you work
# make test-long   the proofs by repetition (kill -9 at any moment, damaged requests …), N=10 times as long as in `make test`
# make lint        ruff + mypy
# make format      ruff: sort imports and lay the code out
# make bench       a short verdict: does this machine give two licences what they are sold for?
# make lock        pin the dependencies anew (needs uv)

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A lock is complete, so pip need not resolve anything: an old pip would resolve past it, and then refuse.
INSTALL := $(PIP) install --no-deps --require-hashes --requirement

.PHONY: setup dev run test test-quick test-long lint format bench lock clean

setup: .venv/.bench
dev: .venv/.dev

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv

.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	$(INSTALL) requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

.venv/.bench: requirements-bench.lock .venv/.runtime
	$(INSTALL) requirements-bench.lock
	touch $@

.venv/.dev: requirements-dev.lock .venv/.bench
	$(INSTALL) requirements-dev.lock
	touch $@

run: .venv/.runtime
	$(BIN)/tsa serve --dir tsa-data

T =
N = 10
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
test: dev
	$(PYTEST) $(T)

test-quick: dev
	$(PYTEST) -m 'not slow' $(T)

test-long: dev
	$(PYTEST) -m long --long $(N) --timeout 0 $(T)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/tsa-bench licence --licences 2 --duration 27 --processes 2 --out build/bench

COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --extra build
lock:
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) --extra bench --constraint requirements.lock pyproject.toml --output-file requirements-bench.lock
	$(COMPILE) --extra bench --extra dev --constraint requirements-bench.lock pyproject.toml --output-file requirements-dev.lock

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
