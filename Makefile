# Everything needs only Python >= 3.11, git and make. PYTHON picks the interpreter that makes .venv.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python

.PHONY: quickstart test test-all lint clean

quickstart: $(VENV)/installed
	$(PY) -m contrastive_jax.main --config=configs/quickstart.py --workdir=runs/quickstart
	$(PY) -m contrastive_jax.linear_eval --config=configs/linear_eval.py:quick --config.pretrained=runs/quickstart

test: $(VENV)/installed-dev
	$(PY) -m pytest -n 2 --dist loadfile -m "not slow" $(PYTEST_ARGS)

test-all: $(VENV)/installed-dev
	$(PY) -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check . && $(VENV)/bin/basedpyright --pythonpath $(PY)

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/installed-dev: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -r requirements-dev.txt
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV)
