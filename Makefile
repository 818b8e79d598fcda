# Every target sets up what it needs in .venv, on a machine that has Python 3.11 or newer and git.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UNFINISHED := $(VENV)/.unfinished
PYTEST := $(BIN)/pytest -n 4 --dist worksteal

# Hundreds of processes that tests start would compile the same modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check chaos straits soak fuzz mutations pgbouncer bench pictures replay openapi conformance lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 16

run: $(INSTALLED) ## start the demo: the service, a mock eMSP, and real stations that change
	$(BIN)/ocpi demo

test: $(INSTALLED) ## run every test, and compare CONFORMANCE.md with what they proved
	@mkdir -p build
	$(PYTEST) --conformance=build/CONFORMANCE.md
	@cmp -s CONFORMANCE.md build/CONFORMANCE.md || \
		{ echo "CONFORMANCE.md is not what the tests prove: run make conformance" >&2; exit 1; }

check: $(INSTALLED) ## lint, format, types, import rules, and the rules of the house
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_house.py

# What lasts because there is much or little of something; the faults themselves are the rest.
STRAITS = $(patsubst %,tests/chaos/test_%.py,memory files throttling exhaustion draining upgrade crowd)

chaos: $(INSTALLED) ## kill, restart and race the service for ten minutes
	@seed=$${CHAOS_SEED:-$$(date +%s)}; echo "CHAOS_SEED=$$seed"; \
		CHAOS=1 CHAOS_SEED=$$seed timeout 600 \
		$(BIN)/pytest -n 2 --dist worksteal -p no:randomly -rP tests/chaos $(STRAITS:%=--ignore=%)

straits: $(INSTALLED) ## starve the service, crowd it, and upgrade it under load, for ten minutes
	@seed=$${CHAOS_SEED:-$$(date +%s)}; echo "CHAOS_SEED=$$seed"; \
		CHAOS=1 CHAOS_SEED=$$seed timeout 900 \
		$(BIN)/pytest -n 2 --dist worksteal -p no:randomly -rP $(STRAITS)

soak: $(INSTALLED) ## work half an hour on each database, for twenty partners, and lose and leak nothing
	@seed=$${CHAOS_SEED:-$$(date +%s)}; CHAOS=1 CHAOS_SEED=$$seed $(BIN)/python -m tests.soak

fuzz: $(INSTALLED) ## ask for every operation of the OpenAPI documents, thousands of times
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-150} $(BIN)/pytest -n 2 tests/fuzz

pgbouncer: $(INSTALLED) ## run the push tests on PostgreSQL behind a PgBouncer in transaction mode
	$(BIN)/python -m tests.pgbouncer -q -n 2 -k postgresql tests/ocpi/push

mutations: $(INSTALLED) ## seed bugs into a copy, and demand that a test catches each
	$(BIN)/python -m tests.mutations

bench: $(INSTALLED) ## measure
	$(BIN)/python -m tests.benchmarks

pictures: $(INSTALLED) ## take the README's pictures of the console anew
	$(BIN)/python -m tests.browser.pictures

replay: $(INSTALLED) ## play 110,366 real charging sessions through the service to an eMSP
	$(BIN)/ocpi demo --replay

openapi: $(INSTALLED) ## export the OpenAPI documents to openapi/
	$(BIN)/ocpi openapi

conformance: $(INSTALLED) ## run every test and write CONFORMANCE.md
	$(PYTEST) --conformance=CONFORMANCE.md

lock: $(INSTALLED) ## pin the newest releases that pyproject.toml allows in requirements.lock
	$(BIN)/uv pip compile --no-config --quiet --upgrade --universal --python-version 3.11 \
		--extra dev --extra otel --no-strip-extras --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml --output-file requirements.lock

clean: ## remove everything that these targets made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# An installation that was interrupted may be broken anywhere, so the next one begins anew.
$(INSTALLED): requirements.lock pyproject.toml
	@test ! -e $(UNFINISHED) || rm -rf $(VENV)
	@mkdir -p $(VENV) && touch $(UNFINISHED)
	@for python in python3.11 python3; do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
			&& exec $$python -m venv $(VENV); \
	done; echo "Python 3.11 or newer is needed, as python3.11 or python3" >&2; exit 1
	@echo 'Installing into $(VENV), once; this takes a minute'
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm $(UNFINISHED) && touch $@
