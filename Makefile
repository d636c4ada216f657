# Two commands on a fresh machine (Python 3.11, pip, g++, make): `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
WORKERS ?= 2
BIN := $(VENV)/bin
# torch first and bounded: an unbounded torch pulls gigabytes of CUDA on most machines. The build runs in this same
# environment (--no-build-isolation), so torch is unpacked once.
BUILD_NEEDS := "torch>=2.10,<2.14" "numpy>=1.26,<2.5" "setuptools>=77" ninja "pybind11>=2.13"
SOURCES := setup.py pyproject.toml $(shell find csrc -name '*.cpp' -o -name '*.h' -o -name '*.cu')
# Without pyproject's --benchmark-skip.
PERF := $(BIN)/python -m pytest -q tests/perf -o addopts="--import-mode=importlib --strict-markers -ra"
# The suites whose data ship with calibench.
BOARDS = quick-v1 posthoc-v1 noisy30-v1 selective-v1 imbalance-v1
TREND = build/perf/trend-$(shell git rev-parse --short=12 HEAD 2>/dev/null || echo none).json

SECONDS ?= 30

.PHONY: fuzz run test quick cuda-test release-check lint docs pictures clean bench bench-once bench-compare counted figures boards sanitize instructions wallclock man

run: $(VENV)/.stamp-run  ## set up, then V-TST against its alternatives on the embedded digits
	$(BIN)/calibench run -m ce -m ce+temperature -m tst -m vtst -s 0 -s 1 -s 2

test: $(VENV)/.stamp-test  ## set up, then the test suite, in WORKERS processes
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

quick: $(VENV)/.stamp-test  ## the tests that are not slow, for the inner loop
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow"

# PyPI's torch for Linux is a CUDA build, so that .venv has all that this needs beside nvcc and compute-sanitizer.
cuda-test: export CALIBENCH_BUILD = cuda
cuda-test: $(VENV)/.stamp-test  ## on a machine with a GPU: the tests of the kernels, and every CUDA operator under compute-sanitizer
	$(BIN)/calibench doctor
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal tests/kernels
	compute-sanitizer --tool memcheck --error-exitcode 9 $(BIN)/python tests/kernels/kernel_sanitizer.py
	compute-sanitizer --tool racecheck --error-exitcode 9 $(BIN)/python tests/kernels/kernel_sanitizer.py

# TORCH_INDEX: an index with builds of torch for CPUs, to check every torch that calibench supports.
release-check: $(VENV)/.stamp-run  ## build, audit and try sdist and wheel in fresh environments: docs/release.md
	$(BIN)/python tests/packaging/release_check.py $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

lint: $(VENV)/.stamp-dev  ## ruff, mypy, clang-format
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $$(find csrc -name '*.cpp' -o -name '*.h' -o -name '*.cu')

docs: $(VENV)/.stamp-docs  ## the site of the documentation, built and looked at in Chromium: build/docs/index.html
	$(BIN)/python docs/site/build.py
	$(BIN)/python docs/site/check.py

pictures: $(VENV)/.stamp-test  ## the two pictures of README.md, from leaderboards/quick-v1 and docs/guides/production.md
	$(BIN)/python tests/docs/readme_pictures.py

fuzz: $(VENV)/.stamp-test  ## every fuzz harness for SECONDS each, three at once; inputs that fail are kept in build/fuzz
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(SECONDS) --jobs 3

bench: $(VENV)/.stamp-test  ## time every kernel and metric; the trend file is for upload (BENCH="..." for pytest-benchmark)
	@mkdir -p build/perf
	$(PERF) --benchmark-only --benchmark-json=$(TREND) --benchmark-columns=median,iqr,rounds --benchmark-sort=name $(BENCH)
	@echo "trend file: $(TREND)"

bench-once: $(VENV)/.stamp-test  ## every benchmark once, for its result alone
	$(PERF) --benchmark-disable

bench-compare:  ## instructions and wall clock of the core against BASE=rev (docs/reference/regressions.md)
	@failed=0; for gate in instructions wallclock; do $(MAKE) --no-print-directory $$gate || failed=1; done; exit $$failed

# A cell that fails ends no sweep: its board shows it, and `submit` keeps its reason.
boards: $(VENV)/.stamp-test  ## the committed boards of suites again, from nothing: 15 minutes on 2 quiet cores
	@for suite in $(BOARDS); do \
	  $(BIN)/calibench sweep $$suite --results results/boards/$$suite -q; \
	  rm -rf leaderboards/$$suite; \
	  $(BIN)/calibench submit --suite $$suite --results results/boards/$$suite -o leaderboards/$$suite || exit 1; \
	done
	$(BIN)/calibench verify leaderboards

figures: $(VENV)/.stamp-test  ## the records of thirty recipes here and at BASE=rev, on this machine
	$(BIN)/python tests/figures/compare.py $(if $(BASE),--base $(BASE))

counted: $(VENV)/.stamp-test  ## imports, aten calls, passes and bytes against tests/perf/budgets.json
	$(BIN)/python tests/perf/counted.py

man: $(VENV)/.stamp-run  ## man pages of every command, in build/man
	$(BIN)/python tests/docs/man_pages.py

# The core needs neither torch nor an installed calibench.
sanitize:  ## the core under AddressSanitizer and UBSan, and with the shipped flags
	$(PYTHON) tests/perf/sanitize.py --plain
	$(PYTHON) tests/perf/sanitize.py

instructions:
	$(PYTHON) tests/perf/instructions.py $(if $(BASE),--base $(BASE))

wallclock:
	$(PYTHON) tests/perf/wallclock.py $(if $(BASE),--base $(BASE))

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

# The extra dev holds what the site needs.
$(VENV)/.stamp-docs: $(VENV)/.stamp-run
	@test -e $(VENV)/.stamp-dev || $(BIN)/pip install -q --disable-pip-version-check --no-build-isolation -e '.[docs]'
	@touch $@

clean:  ## remove the files of builds and tests; records under results/ stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks
	find benchmark plugins tests -name '__pycache__' -prune -exec rm -rf {} +
	find benchmark -name '*.so' -delete
