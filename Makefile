# Two commands do everything on a fresh machine: `make demo` and `make test`.
VENV ?= .venv
SHELL := /bin/bash

.PHONY: demo test lint fuzz clean

demo: $(VENV)/ready
	$(VENV)/bin/sklar demo

test: $(VENV)/ready
	$(VENV)/bin/python -m pytest

# 500 raw files changed at random, ten times what the tests try.
fuzz: $(VENV)/ready
	SKLAR_FUZZ=500 $(VENV)/bin/python -m pytest tests/clinical/test_mimic3_fuzz.py

lint: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

$(VENV)/ready: pyproject.toml scripts/environment.sh
	scripts/environment.sh $(VENV)

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
