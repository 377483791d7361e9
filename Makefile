# make demo: the main job. make test: the tests. All targets create .venv when it is missing.
PYTHON ?= python3
VENV ?= .venv
# `make test MARKS=compiling` runs what compiles for seconds, `MARKS=slow` the slow tests, `MARKS=""`
# all of them.
MARKS ?= not slow and not compiling
# Each begins with its own half, so that few fixtures of a file are made twice; who is done first
# takes of the other's.
WORKERS := -n 2 --dist worksteal
# Quiets TensorFlow's start-up notices; errors still show.
export TF_CPP_MIN_LOG_LEVEL ?= 2

# TensorFlow Addons wants Python 3.11 at most, and an environment of its own.
ORACLE ?= .venv-addons
ORACLE_PYTHON ?= $(PYTHON)

PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

.PHONY: help demo test test-backends test-addons notebooks pictures docs lint clean

help:
	@echo "make demo   create $(VENV), install, run the main job"
	@echo "make test   create $(VENV), install, run the tests"
	@echo "make test-backends"
	@echo "            install JAX and torch too, hold layers and initializers to every law on each backend"
	@echo "make test-addons"
	@echo "            install the real TensorFlow Addons into $(ORACLE), hold kerastricks.addons to it"
	@echo "make notebooks"
	@echo "            run the sources in examples/, keep them as notebooks with their pictures"
	@echo "make pictures"
	@echo "            take the pictures of the README and of the first pages anew; needs Chromium"
	@echo "make docs   build the site into build/html; any warning is an error"
	@echo "make lint   what pre-commit and CI check: ruff and mypy"
	@echo "make clean  remove $(VENV) and build products"

demo: $(INSTALLED)
	$(PY) -m kerastricks demo $(ARGS)

test: $(INSTALLED)
	$(PY) -m pytest $(WORKERS) -m "$(MARKS)" $(ARGS)

BACKENDS ?= tensorflow jax torch

# All laws, Keras' own layer tests among them.
test-backends: $(INSTALLED)
	$(PY) -m pip install --disable-pip-version-check --quiet --editable ".[jax,torch]"
	@for backend in $(BACKENDS); do \
		echo "== $$backend"; \
		KERAS_BACKEND=$$backend $(PY) -m pytest -q $(WORKERS) $(ARGS) tests/conformance || exit 1; \
	done

ORACLE_INSTALLED := $(ORACLE)/.installed

# The real one computes once for each file.
test-addons: $(INSTALLED) $(ORACLE_INSTALLED)
	ADDONS_ORACLE=$(abspath $(ORACLE))/bin/python \
		$(PY) -m pytest -q -n 2 --dist loadfile $(ARGS) $(wildcard tests/addons/test_oracle*.py)

# The package itself wants Keras 3, so only what its extra names is installed.
$(ORACLE_INSTALLED): setup.cfg
	$(ORACLE)/bin/python -m pip --version >/dev/null 2>&1 || $(ORACLE_PYTHON) -m venv --clear $(ORACLE)
	$(ORACLE)/bin/python -m pip install --disable-pip-version-check --quiet $(shell $(PYTHON) -c \
		"import configparser, shlex; extras = configparser.ConfigParser(); extras.read('setup.cfg'); \
		print(shlex.join(extras['options.extras_require']['addons-oracle'].split()))")
	@touch $@

# `make notebooks ARGS=examples/5_very_little_data.py` runs one of them.
notebooks: $(INSTALLED)
	$(PY) -m pip install --disable-pip-version-check --quiet --editable ".[notebooks]"
	$(PY) tools/build_notebooks.py $(ARGS)

# `make pictures ARGS=augmentation` draws that one, for which no Chromium is needed.
pictures: $(INSTALLED)
	$(PY) tools/draw_readme.py $(ARGS)

# `make docs BUILDER=linkcheck` asks every server that the pages link to.
BUILDER ?= html

docs: $(INSTALLED)
	$(PY) -m pip install --disable-pip-version-check --quiet --editable ".[docs]"
	$(PY) -m sphinx --builder $(BUILDER) --fail-on-warning --keep-going --nitpicky \
		--doctree-dir build/doctrees $(ARGS) docs build/$(BUILDER)

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
	rm -rf $(VENV) $(ORACLE) build dist *.egg-info docs/api/*.rst docs/api/*/ docs/examples docs/project
