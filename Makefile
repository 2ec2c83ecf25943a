# Thin verbs. What they do is written in deploy/ (containers), deploy/local/ (no Docker) and .ci/run.

PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PY := .venv/bin/python
SOURCES := shared services deploy tests bench
OVERLAYS := gpu tls s3 observability hub worker sagemaker aws-store

# What is built is labelled with the commit.
export ASSAY_REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
export DOCKER_BUILDKIT = 1

.PHONY: help venv demo serve test lint format bench lock test-compose \
	init build up down ps logs backup restore upgrade s3-credentials worker-env \
	sagemaker-push sagemaker-check sagemaker-up sagemaker-down sagemaker-cost \
	$(OVERLAYS:%=%-on) $(OVERLAYS:%=%-off)

help: ## what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1	/p' Makefile
	@printf '  make NAME-on, NAME-off	adds or takes away an overlay: $(OVERLAYS)\n'

# --- on a box with Docker: docs/operating.md ---

init: ## looks at this machine, writes .env with fresh secrets, prints the admin key once
	@sh deploy/init.sh

build: ## builds all images
	@docker compose build

up: ## builds what is missing, starts everything, waits until a real prediction works
	@sh deploy/up.sh

down: ## stops everything; the data stays
	@docker compose down --remove-orphans

ps: ## what runs, and how it is
	@docker compose ps -a

logs: ## what everything says, until Ctrl-C (SERVICE=registry for one)
	@docker compose logs --tail 200 -f $(SERVICE)

backup: ## database, buckets and secrets in one file, while everything runs (FILE=…)
	@sh deploy/backup.sh

restore: ## this box becomes what FILE holds; what was here is backed up first
	@sh deploy/restore.sh

upgrade: ## backup, build, migrate, start, smoke test; back to what ran before if anything fails
	@sh deploy/upgrade.sh

s3-credentials: ## new S3 credentials of BRAND for bulk uploads (ACTION=list, or remove with KEY=…)
	@sh deploy/s3-credentials.sh

worker-env: ## prints the .env of a further box that works for this one (SERVICES=trainer)
	@sh deploy/worker-env.sh

sagemaker-push: ## docs/sagemaker.md: images of trainer and engine to ECR
	@sh deploy/sagemaker/push.sh

sagemaker-check: ## what is missing in AWS, before anything is started
	@sh deploy/sagemaker/check.sh

sagemaker-up: ## makes the endpoint, or moves it to what .env says
	@sh deploy/sagemaker/run.sh inference -m assay_inference.sagemaker_endpoint up

sagemaker-down: ## endpoint and training jobs: nothing that costs is left
	@sh deploy/sagemaker/down.sh

sagemaker-cost: ## what a run and a month of the endpoint are expected to cost
	@sh deploy/sagemaker/run.sh inference cost.py

$(OVERLAYS:%=%-on):
	@sh deploy/overlay.sh $(@:-on=) on

$(OVERLAYS:%=%-off):
	@sh deploy/overlay.sh $(@:-off=) off

# --- without Docker: README.md ---

venv:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is missing: apt-get install python3.11 python3.11-venv (as root)" >&2; exit 1; }
	@$(PYTHON) deploy/local/install.py

demo: venv ## the whole loop: photos in, model live, verdicts out; serves until Ctrl-C
	@exec $(PY) -m deploy.local.demo

serve: venv ## the stack with your own data in .assay/, until Ctrl-C
	@exec $(PY) -m deploy.local.serve

# --- for developers: CONTRIBUTING.md ---

# Two processes, each with parts of its own and whole files of tests: one alone leaves a core idle. Threads that
# wait by spinning would take it from the other.
BESIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder
test: export OMP_WAIT_POLICY = PASSIVE
test: export OPENBLAS_NUM_THREADS = 1
test: lint ## everything but the containers, on real parts
	@$(PY) -m deploy.local.minio
	@$(PY) -m pytest $(BESIDE)

test-compose: venv ## the containers, on a Docker engine
	@$(PY) -m pytest tests/deploy

lint: venv ## ruff and mypy
	@$(PY) -m ruff check $(SOURCES)
	@$(PY) -m ruff format --check $(SOURCES)
	@$(PY) -m mypy $(SOURCES)

format: venv ## puts the sources into their form
	@$(PY) -m ruff check --fix $(SOURCES)
	@$(PY) -m ruff format $(SOURCES)

bench: venv ## the figures of the README
	@$(PY) -m bench

lock: venv ## writes the lock files anew
	@$(PY) -m deploy.local.lock
