# The machine's uv, else one of our own: Debian's pip refuses to install beside the system's packages.
UV  := $(or $(shell command -v uv),.uv/bin/uv)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench fix lock test-python test-kubernetes

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 17

setup: .venv/.ready ## make .venv from the lock file

run: setup ## try Beeyard: the quickstart example
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/quickstart/run

test: setup ## every test; ARGS="-k name" narrows them
	$(BIN)/pytest -n auto --dist loadgroup $(ARGS)

check: setup ## lint, format, types, imports, unit tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q tests/unit

bench: setup ## ratios against peers, measured now
	$(BIN)/python -m bench $(ARGS)

fix: setup ## mend what lint and format can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: | $(UV) ## bring uv.lock up to date with pyproject.toml
	$(UV) lock

# pyenv hides its interpreters behind shims that fail unless chosen, so its folders go first.
test-python: | $(UV) ## every test on each further Python that is here
	@for v in 3.12 3.13; do \
	  PATH="$$(printf '%s:' $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$v.*/bin)$$PATH"; \
	  $(UV) python find -q $$v >/dev/null || { echo "Python $$v: not here"; continue; }; \
	  UV_PROJECT_ENVIRONMENT=.venv-$$v $(UV) run --locked --python $$v pytest -n auto --dist loadgroup $(ARGS) || exit; \
	done

test-kubernetes: setup ## the provider kubernetes on the cluster that KUBECONFIG leads to
	@test -n "$$KUBECONFIG" || { echo "KUBECONFIG names no cluster"; exit 2; }
	$(BIN)/pytest -m needs_kubernetes $(ARGS)

.venv/.ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --compile-bytecode
	@touch $@

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet 'uv>=0.9,<1'
