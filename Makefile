# Two commands on a fresh machine (Python 3.11, pip, g++, make): `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch first and bounded: an unbounded torch pulls gigabytes of CUDA on most machines. The build runs in this same
# environment (--no-build-isolation), so torch is unpacked once.
BUILD_NEEDS := "torch>=2.10,<2.14" "numpy>=1.26,<2.5" "setuptools>=77" ninja "pybind11>=2.13"
SOURCES := setup.py pyproject.toml $(shell find csrc -name '*.cpp' -o -name '*.h' -o -name '*.cu')

.PHONY: run test lint clean

run: $(VENV)/.stamp-run  ## set up, then V-TST against its alternatives on the embedded digits
	$(BIN)/calibench run -m ce -m ce+temperature -m tst -m vtst -s 0 -s 1 -s 2

test: $(VENV)/.stamp-test  ## set up, then the test suite
	$(BIN)/python -m pytest -q

lint: $(VENV)/.stamp-dev  ## ruff, mypy, clang-format
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $$(find csrc -name '*.cpp' -o -name '*.h' -o -name '*.cu')

$(VENV)/.stamp-build:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check $(BUILD_NEEDS)
	@touch $@

$(VENV)/.stamp-run: $(VENV)/.stamp-build $(SOURCES)
	$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation -e .
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-run
	$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation -e '.[test]'
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-test
	$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation -e '.[dev]'
	@touch $@

clean:  ## remove what building and testing made; records under results/ stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks
	find benchmark plugins tests -name '__pycache__' -prune -exec rm -rf {} +
	find benchmark -name '*.so' -delete
