# Everything needs only Python >= 3.11, git and make. PYTHON picks the interpreter that makes .venv.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest -n 2 --dist worksteal
# The newest jax needs Python 3.12; this one is for the tests of both worlds.
NEWEST := $(shell for p in python3.12 $(HOME)/.pyenv/versions/3.12*/bin/python; do \
	"$$p" -c '' 2>/dev/null && echo "$$p" && break; done)

.PHONY: quickstart test test-all test-newest smoke-newest lint docs clean

quickstart: $(VENV)/installed
	$(PY) -m contrastive_jax.main --config=configs/quickstart.py --workdir=runs/quickstart
	$(PY) -m contrastive_jax.linear_eval --config=configs/linear_eval.py:quick --config.pretrained=runs/quickstart

test: $(VENV)/installed-dev
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

# The long proofs too, then the tests on the newest jax.
test-all: $(VENV)/installed-dev
	$(PYTEST) $(PYTEST_ARGS)
	$(MAKE) test-newest

test-newest smoke-newest:
	@if [ -z "$(NEWEST)" ]; then echo "no Python 3.12 here: the tests on the newest jax are left out"; \
	else $(MAKE) test PYTHON="$(NEWEST)" VENV=.venv312 $(if $(filter smoke-newest,$@),PYTEST_ARGS=tests/commands/test_smoke.py); fi

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/basedpyright --pythonpath $(PY)

# The site is built from the sources alone, so its environment has neither jax nor this package.
# Without --quiet, which also hides cross-references without a target from --strict.
docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

.venv-docs/installed: requirements-docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --upgrade pip
	.venv-docs/bin/python -m pip install --quiet -r requirements-docs.txt
	touch $@

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -r requirements.txt -e .
	touch $@

$(VENV)/installed-dev: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -r requirements-dev.txt -e .
	touch $(VENV)/installed $@

clean:
	rm -rf .venv .venv312 .venv-docs site dist
