# Two commands matter: `make demo` shows a call being recorded, `make test` runs everything.
# Both work in a fresh clone on Debian or Ubuntu with Python 3.11 or newer.

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PYTEST_WORKERS ?= 2

.PHONY: demo test setup check tests bench docs format clean

demo: .venv/ready
	@$(BIN)/onrecord demo $(if $(KEEP),--keep)

test: check tests

setup: .venv/ready-test

check: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: .venv/ready-test
	@scripts/test-packages
	@# By number: the other ways go by test ids. Of tests that share one, as those of the API document's
	@# operations do, they run only the first.
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist load --cov --cov-report=term

bench: .venv/ready-test
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.capture
	$(BIN)/python -m bench.mastering

docs: .venv/ready
	$(BIN)/python docs/generate.py

format: .venv/ready-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

.venv/ready: pyproject.toml constraints.txt scripts/make-venv
	@scripts/make-venv "$(PYTHON)"
	@touch $@

.venv/ready-test: .venv/ready
	@echo "Installing what the tests need ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@
