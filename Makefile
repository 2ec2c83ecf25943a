# Thin verbs. What they do is written in deploy/local/ and in .ci/run.

PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PY := .venv/bin/python
SOURCES := shared services deploy tests bench

.PHONY: help venv demo serve test lint format bench lock

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

venv:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is missing: apt-get install python3.11 python3.11-venv (as root)" >&2; exit 1; }
	@$(PYTHON) deploy/local/install.py

demo: venv ## the whole loop: photos in, model live, verdicts out; serves until Ctrl-C
	@exec $(PY) -m deploy.local.demo

serve: venv ## the stack with your own data in .assay/, until Ctrl-C
	@exec $(PY) -m deploy.local.serve

test: lint ## everything, on real parts
	@$(PY) -m deploy.local.minio
	@$(PY) -m pytest

lint: venv ## ruff and mypy
	@$(PY) -m ruff check $(SOURCES)
	@$(PY) -m ruff format --check $(SOURCES)
	@$(PY) -m mypy $(SOURCES)

format: venv ## puts the sources into their form
	@$(PY) -m ruff check --fix $(SOURCES)
	@$(PY) -m ruff format $(SOURCES)

bench: venv ## the figures of the README
	@$(PY) -m bench

lock: venv ## writes requirements.lock anew
	@$(PY) -m uv pip compile shared/pyproject.toml services/*/pyproject.toml --all-extras \
		--group pyproject.toml:dev --python-version 3.11 --universal \
		--generate-hashes --no-emit-package assay-shared --no-header --no-emit-index-url --quiet \
		--output-file requirements.lock
