# Everything a developer does. `make help` lists it; `make` builds.
#
# State is kept in stamp files, so that nothing is done twice:
#   .venv/.made      the virtual environment exists
#   .venv/.installed what pyproject.toml asks for is in it, and weft's metadata and command
#   build/tree/.made the link tree that stands for the package (see setup.py) fits app/
#   build/.kernel    the kernel and the engine's lane are compiled

# What `make run` runs: the main job, with the one decision in it made beforehand.
JOB ?= docs/examples/check-repository.yaml --decide decide=ship

# One test worker a core; `make test JOBS=0` runs in one process. TESTS narrows the choice.
JOBS ?= auto
TESTS ?=
COVERAGE_FLOOR := 97

# What every engine of the tests tells is held against Weft's own telemetry registry; where all
# tests run, all that it declares must have been seen.
TOLD := --weft-live-check schema/telemetry --weft-live-check-of watched --weft-live-check-allow-empty
ifeq ($(TESTS),)
TOLD += $(foreach kind,span:* metric:* event:* attribute:weft.*,--weft-live-check-expect '$(kind)')
endif

PY := .venv/bin/python
PIP := $(PY) -m pip -qq --disable-pip-version-check --no-input
FOLDERS := app connectors engine native patterns schema weaver
KERNEL_SOURCES := $(wildcard native/*.pyx native/*.pxd native/*.h engine/runtime/*.pyx)

export PYTHON CC
# The tests start hundreds of processes, each of which would compile all of Weft anew.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: build run test native-coverage sanitize fitness soak instructions lint signals evidence patterns format dist changelog clean distclean help

build: build/.kernel build/tree/.made .venv/.installed ## build .venv, compile, install

run: build ## run the main job over this repository
	@.venv/bin/weft run $(JOB)

# Coverage measures each process by itself. (pytest-cov would measure a worker's process three
# times over, and a test could not stop it: see tests/conftest.py.)
test: build ## all tests, with line coverage and its floor; their telemetry is live-checked
	@rm -rf build/coverage && mkdir -p build/coverage
	@status=0; scratch=$$(.ci/prerequisites scratch) && trap 'rm -rf "$$scratch"' EXIT; \
	trap 'exit 130' INT TERM; \
	TMPDIR=$$scratch $(PY) -m coverage run -m pytest -n $(JOBS) --dist worksteal $(TOLD) $(TESTS) || status=$$?; \
	$(PY) -m coverage combine --quiet; \
	$(PY) -m coverage report --show-missing --skip-covered --fail-under=$(COVERAGE_FLOOR) || \
	    { test $$status -ne 0 || status=2; }; \
	exit $$status

# In a copy, since that kernel is slow. gcov maps the C back to the lines of the .pyx.
native-coverage: build ## line coverage of the compiled kernel, by gcov
	@rm -rf build/measured && mkdir -p build/measured
	@cp -R $(FOLDERS) tests pyproject.toml setup.py README.md LICENSE build/measured
	@rm -f build/measured/native/*.so build/measured/engine/runtime/*.so
	@cd build/measured && python=../../$(PY) && $$python setup.py --quiet link_tree && \
	    WEFT_BUILD_KERNEL=measured $$python setup.py --quiet build_ext --inplace && \
	    PYTHONPATH=build/tree WEFT_KERNEL=compiled $$python -m pytest -q tests/native && \
	    gcov -o build/temp*/build/cython/native build/cython/native/_kernel.c >/dev/null 2>&1 && \
	    awk -F : '/^ *-:/ { next } { lines++ } /^ *#####:/ { missed = missed " " $$2 + 0; none++ } \
	        END { printf "native/_kernel.pyx: %.1f %% of %d lines; not run:%s\n", \
	              100 * (lines - none) / lines, lines, missed }' _kernel.pyx.gcov

# The kernel's loops without Python: random nets, held against the plainest loop. SEED and ROUNDS
# choose which and how many; valgrind joins where it is installed.
SEED ?= 1
ROUNDS ?= 2000
FUZZ = $(or $(CC),cc) -std=gnu11 -g -Wall -Wextra -Werror -Inative tests/native/fuzz.c -pthread
sanitize: ## the kernel's loops under the sanitizers and valgrind, on random nets
	@mkdir -p build/check
	@$(FUZZ) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -o build/check/fuzz-address
	@build/check/fuzz-address $(SEED) $(ROUNDS)
	@$(FUZZ) -O1 -fsanitize=thread -o build/check/fuzz-thread
	@build/check/fuzz-thread $(SEED) $(ROUNDS) space
	@build/check/fuzz-thread $(SEED) $(ROUNDS) pool
	@$(FUZZ) -O2 -o build/check/fuzz
	@if command -v valgrind >/dev/null; then \
	    valgrind -q --error-exitcode=1 --leak-check=full build/check/fuzz $(SEED) 100; fi

# pm4py is AGPL: an environment of its own, that nothing of Weft depends on.
build/pm4py/.made:
	@$(or $(PYTHON),python3) -m venv build/pm4py
	@build/pm4py/bin/python -m pip -qq --disable-pip-version-check --no-input install pm4py
	@touch $@
fitness: build build/pm4py/.made ## pm4py, in an environment of its own, replays exported logs on exported nets
	@WEFT_PM4PY=$(CURDIR)/build/pm4py/bin/python $(PY) -m pytest -q -s tests/app/test_fitness.py

# One process on virtual time, with faults wherever the store is touched: docs/simulation.md.
MINUTES ?= 10
soak: build ## the simulation of crashes and faults, from SEED on, for so many MINUTES; every crash point; 200 kills
	@$(PY) -m tests.simulation --seed $(SEED) --minutes $(MINUTES)
	@WEFT_KILL_ROUNDS=200 WEFT_KILL_CASES=1000 WEFT_KILL_SEED=$(SEED) WEFT_CRASH_EVERY=1 \
	    $(PY) -m pytest -q tests/patterns/test_crash_points.py tests/engine/runtime/test_killed.py

# Instructions, never seconds: they hardly depend on the machine.
instructions: build ## how many instructions the kernel's loops take, beside what they took (callgrind)
	@$(PY) benches/instructions.py

# import-linter's cache is off: it remembers where an import led before a new module was there.
lint: build ## ruff, mypy --strict, layers, telemetry registry, news fragments: all findings at once
	@failed=; \
	.venv/bin/ruff check --quiet . || failed="$$failed ruff"; \
	.venv/bin/ruff format --quiet --check . || failed="$$failed format"; \
	.venv/bin/mypy --no-error-summary || failed="$$failed mypy"; \
	.venv/bin/lint-imports --no-cache --no-logo >build/layers.log 2>&1 || { cat build/layers.log; failed="$$failed layers"; }; \
	.venv/bin/weft weaver check schema/telemetry --policies >build/registry.log 2>&1 || { cat build/registry.log; failed="$$failed registry"; }; \
	.venv/bin/towncrier build --draft --version next >build/news.log 2>&1 || { cat build/news.log; failed="$$failed news"; }; \
	if [ -n "$$failed" ]; then echo "lint: findings of:$$failed" >&2; exit 1; fi; \
	echo "lint: ruff, mypy, import-linter, weft weaver check and towncrier found nothing"

signals: build ## write anew what is generated from the telemetry registry
	@.venv/bin/weft weaver generate schema/telemetry --target python -o weaver/conventions.py
	@.venv/bin/weft weaver generate schema/telemetry --target markdown -o docs/signals

# Some minutes. PATTERNS narrows it: make evidence PATTERNS='9 38'
evidence: build ## explore the patterns anew: what the catalogue says has been shown of them
	@$(PY) -m tests.patterns.evidence $(PATTERNS)

patterns: build ## write anew the pages of the catalogue of patterns
	@.venv/bin/weft patterns --pages docs/patterns

format: build ## put the code in order: what ruff can mend by itself
	@.venv/bin/ruff check --quiet --fix-only .
	@.venv/bin/ruff format --quiet .

dist: build ## wheel and source distribution, in dist/
	@$(PY) -m build --no-isolation --outdir dist . >build/dist.log 2>&1 || { cat build/dist.log; exit 1; }
	@ls dist

changelog: build ## turn the news fragments into CHANGELOG.md: make changelog VERSION=0.2.0
	@.venv/bin/towncrier build --yes --version $(or $(VERSION),$(error say which: make changelog VERSION=0.2.0))

clean: ## remove what was built, and the tools' caches; .venv stays
	@rm -rf build dist *.egg-info native/*.so engine/runtime/*.so .coverage .hypothesis .pytest_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	@rm -rf .venv

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.made:
	@python=$$(.ci/prerequisites python) && \
	    if [ ! -x $(PY) ]; then echo "make: creating .venv"; "$$python" -m venv .venv; fi
	@touch $@

# The build's own tools come first, since the package is built with them, without isolation:
# that is quicker, and they are the ones that the tests build with. The kernel has its own step.
.venv/.installed: pyproject.toml setup.py | .venv/.made
	@echo "make: installing into .venv"
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	    | $(PIP) install -r /dev/stdin
	@WEFT_BUILD_KERNEL=skip $(PIP) install --no-build-isolation --editable '.[dev]'
	@touch $@

build/tree/.made: app setup.py | .venv/.installed
	@$(PY) setup.py --quiet link_tree
	@mkdir -p $(@D) && touch $@

build/.kernel: $(KERNEL_SOURCES) setup.py .venv/.made | .venv/.installed
	@kernel=$$(PYTHON=$(PY) .ci/prerequisites kernel) && echo "make: compiling the kernel ($$kernel)" && \
	    WEFT_BUILD_KERNEL=$$kernel $(PY) setup.py --quiet build_ext --inplace
	@mkdir -p $(@D) && touch $@
