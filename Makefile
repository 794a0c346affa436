# The set-up and the daily commands. `make demo` and `make test` need nothing but Python and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt

.PHONY: demo test check bench docs clean

demo: $(VENV)/.installed
	$(BIN)/nnatomy train digits --network lenet --out runs/demo
	@echo "open the report: $(CURDIR)/runs/demo/report.html"

test: $(VENV)/.dev tests/.system
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

bench: $(VENV)/.bench
	$(BIN)/python -m bench

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict --quiet --site-dir build/site
	@echo "open the documentation: $(CURDIR)/build/site/index.html"

clean:
	rm -rf $(VENV) build runs tests/.system

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing nnatomy and what it needs into $(VENV)"
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing nnatomy and its development tools into $(VENV)"
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP_INSTALL) --editable '.[bench]'
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(PIP_INSTALL) --editable '.[docs]'
	@touch $@

# strace injects the faults of the crash tests, Chromium opens the reports.
tests/.system: tests/system_packages.sh
	sh tests/system_packages.sh
	@touch $@
