# The commands of the day. `make` alone lists them. Settings: PORT, HOST, ENGINE (vllm or none), WEIGHBRIDGE_HOME, PYTHON.

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c '' 2>/dev/null && echo $$p && break; done)
SETUP = $(if $(PYTHON),$(PYTHON),$(error No Python found. Install Python 3.11 and run the same command again)) -m infra.setup
BIN = .venv/bin
export PORT HOST ENGINE WEIGHBRIDGE_HOME

.PHONY: help demo serve upgrade setup dev engine assets test check messages bench drill screens clean
.DEFAULT_GOAL := help

help:      ## list the commands
	@grep -E '^[a-z]+: .*##|^[a-z]+: +##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo:      ## the whole path on this machine, with a demo lab: http://127.0.0.1:8000
	@$(SETUP) portal
	@$(SETUP) assets || test $$? = 3
	@$(SETUP) engine || test $$? = 3
	@exec $(BIN)/python -m infra.embedded demo

serve:     ## the same stack without demo data, for a small lab
	@$(SETUP) portal
	@$(SETUP) assets || test $$? = 3
	@exec $(BIN)/python -m infra.embedded serve

upgrade:   ## back up, migrate and verify this home (stop it first)
	@$(SETUP) portal
	@exec $(BIN)/python -m infra.embedded upgrade

setup:     ## every environment: portal, tests, engine, typefaces, browser
	@$(SETUP) dev
	@$(SETUP) assets engine browser || test $$? = 3

dev:       ## the portal's environment with the tools of its tests
	@$(SETUP) dev

engine:    ## the engine's environment alone
	@$(SETUP) engine

assets:    ## typefaces and charts alone
	@$(SETUP) assets

test: setup ## the whole suite
	@sh infra/test.sh $(BIN)

check: dev ## format, lint, types, import contract, migrations, the API's description, deployment checks, templates, spelling
	@sh infra/check.sh $(BIN)

messages: dev ## take new texts into the translations' catalogues (docs/translating.md)
	$(BIN)/python -m infra.messages update

bench: dev ## what a query costs beside a bare relay, each page of a full portal, and a file among many
	$(BIN)/python -m bench

drill: setup ## the long tests at full counts
	$(BIN)/pytest -m drill --timeout 3600

screens: setup ## every page as a picture, into docs/screens
	$(BIN)/python -m infra.screens

clean:     ## remove environments and caches; the home stays
	rm -rf .venv .venv-engine node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build
