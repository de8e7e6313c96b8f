# The way in. `make` alone lists it.
PYTHON ?= python3
BIN := .venv/bin
CLIENTS_BIN := .venv-clients/bin
CREWAI_BIN := .venv-crewai/bin
CLIENTS := clients
# Folders whose doctests are the worked examples of the formulas.
DOCTESTED := retrieval consolidation memory_service
DOC_TESTS := tests/unit/test_docs.py tests/acceptance/test_docs.py
TESTED := tests/unit tests/integration tests/migration tests/acceptance
# Every number that is promised of KV memory, the one about kills too, which needs no vLLM: it runs while that is installed.
VLLM_TESTED := tests/integration/kv/test_kills.py tests/vllm

.DEFAULT_GOAL := help
.PHONY: help run test test-clients test-crewai test-vllm test-lmcache test-kvpress test-web check lint types types-clients types-crewai layers migrate bench demo docs doctor clean install dev bench-file dev-clients dev-crewai

help: ## List these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install ## Start everything on this machine: database, broker, API, worker, beat; Ctrl-C stops it
	@exec $(BIN)/memory-service run

test: dev ## Run all tests and the worked examples in the docstrings
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --doctest-modules $(wildcard $(TESTED)) $(wildcard $(DOCTESTED)) $(ARGS)

test-clients: dev dev-clients ## Test SDKs, MCP server and adapters against a running service, beside the real frameworks (600 MB)
	@$(CLIENTS_BIN)/python -m pytest -c clients/pytest.ini $(CLIENTS) $(ARGS)

test-crewai: dev dev-crewai ## Test the storage of CrewAI against a running service, beside the real CrewAI (1 GB)
	@$(CREWAI_BIN)/python -m pytest -c clients/pytest.ini clients/crewai $(ARGS)

test-vllm: dev ## Test KV memory and what a language model is asked against a real vLLM; installs it once (2 GB)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(VLLM_TESTED) $(ARGS)

test-lmcache: dev ## Test LMCache's server as the store of tensors, with two real vLLM; installs both once (2 GB)
	@$(BIN)/python tests/vllm/environment.py lmcache > /dev/null
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/lmcache $(ARGS)

test-kvpress: dev ## Test that kvpress keeps what it keeps behind our protocol; installs it once (1.2 GB)
	@$(BIN)/python tests/vllm/environment.py kvpress > /dev/null
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/kvpress $(ARGS)

test-web: dev ## Test the admin web view in a real Chromium, installed where that is allowed; pictures in build/screenshots
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/web $(ARGS)

check: lint types layers test ## Run what CI runs: lint, types, layers, tests

lint: dev ## Check style and formatting
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .

types: dev ## Check types
	@$(BIN)/python -m mypy

types-clients: dev-clients ## Check the types of the clients
	@printf '%s\n' $(filter-out clients/crewai/,$(dir $(wildcard clients/*/pyproject.toml))) | xargs -P 2 -I '{}' \
		sh -c 'cd {} && said=$$(../../$(CLIENTS_BIN)/python -m mypy 2>&1); status=$$?; printf "%s\n%s\n" {} "$$said"; exit $$status'

types-crewai: dev-crewai ## Check the types of the storage of CrewAI
	@cd clients/crewai && ../../$(CREWAI_BIN)/python -m mypy

layers: dev ## Check that imports point down
	@$(BIN)/lint-imports

migrate: install ## Bring the database of DATABASE_URL up to this version
	@$(BIN)/memory-service migrate

bench: bench-file install ## Measure retrieval against the running service: make bench FILE=data.json
	@$(BIN)/memory-service bench retrieval "$(FILE)" $(ARGS)

demo: install ## Send a conversation of eight months to the running service and ask ten questions
	@$(BIN)/memory-service demo $(ARGS)

doctor: install ## Say what is wrong with this machine or the running service, and how to repair it
	@$(BIN)/memory-service doctor

docs: dev ## Check that every link, list and snippet in the docs is right
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(DOC_TESTS) $(ARGS)

clean: ## Remove the virtual environment and caches; never var/, which holds your data
	@rm -rf .venv .venv-clients .venv-crewai build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

# Before anything is installed for nothing.
bench-file:
	@test -n "$(FILE)" || { echo "Name the data: make bench FILE=path/to/data.json"; exit 2; }
	@test -r "$(FILE)" || { echo "There is no readable file $(FILE)."; exit 2; }

install:
	@$(PYTHON) bootstrap.py run

dev:
	@$(PYTHON) bootstrap.py dev

dev-clients:
	@$(PYTHON) bootstrap.py clients

dev-crewai:
	@$(PYTHON) bootstrap.py crewai
