# make demo: the main job. make test: the tests. Both create .venv when it is missing.
PYTHON ?= python3
VENV ?= .venv
# `make test MARKS=slow` runs the slow tests, `MARKS=""` all of them.
MARKS ?= not slow
# Quiets TensorFlow's start-up notices; errors still show.
export TF_CPP_MIN_LOG_LEVEL ?= 2

PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

.PHONY: help demo test lint clean

help:
	@echo "make demo   create $(VENV), install, run the main job"
	@echo "make test   create $(VENV), install, run the tests"
	@echo "make lint   what pre-commit and CI check: ruff and mypy"
	@echo "make clean  remove $(VENV) and build products"

demo: $(INSTALLED)
	$(PY) -m kerastricks demo $(ARGS)

test: $(INSTALLED)
	$(PY) -m pytest -n 2 -m "$(MARKS)" $(ARGS)

lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# Installed again whenever the dependencies change.
$(INSTALLED): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; run: make PYTHON=python3.11 ..."; exit 1; }
	$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing kerastricks and its test extra into $(VENV) (once; TensorFlow is large)"
	$(PY) -m pip install --disable-pip-version-check --editable ".[test]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
