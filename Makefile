# The same few commands for people and for CI. `make` without a target lists them.

PYTHON ?= python3
# Extra arguments for pip. On Linux without a GPU this saves several gigabytes:
#   make setup PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=

BROWSERS := chromium chromium-browser google-chrome

VENV := .venv
RUN := $(VENV)/bin/python -m
STAMP := $(VENV)/.ready
DOCS := $(VENV)/.docs
# A process for each core; one that has run its share takes over tests from another. The tests of a file mostly stay
# together, so that what they share is made once.
TESTS := $(RUN) pytest -n auto --dist worksteal
# What `make coverage` requires 95 % of.
COVERED := model retrieval evaluation store

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup packages browser fmt check test test-quick drills coverage demo docs reproduce-small dist clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make .venv with the command hiersrec in it (again only when the dependencies change)

# The stamp is written last, so a setup that broke off is done again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.version_info >= (3, 11) or sys.exit("hiersrec needs Python 3.11 or newer; $(PYTHON) is " + v + ". Name a newer one: make setup PYTHON=python3.12")'
	@$(MAKE) --no-print-directory -j2 packages browser
	@touch $@

# A module is compiled when it is first imported: tests import a fifth of them. PySpark comes as a source only, and its
# wheel is used once, so it is not compressed.
packages:
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	$(RUN) pip install $(PIP_ARGS) --quiet -c constraints.txt pip
	@printf '[bdist_wheel]\ncompression = stored\n' >$(VENV)/wheels.cfg
	DIST_EXTRA_CONFIG="$(CURDIR)/$(VENV)/wheels.cfg" $(RUN) pip install $(PIP_ARGS) --no-compile -c constraints.txt \
		--build-constraint constraints.txt --group dev -e '.[train,serve,export]'

# The page is tested in a real browser; Playwright drives the system's own, so none is downloaded.
browser:
	@for one in $(BROWSERS); do ! command -v $$one >/dev/null || exit 0; done; \
	[ "$$(id -u)" = 0 ] && root= || root="sudo -n"; \
	{ command -v apt-get && $$root true; } >/dev/null 2>&1 && $$root apt-get update -qq && \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
	echo "No browser, so the tests of the page will be skipped. To run them too, install Chromium or Chrome such that one of these is a command: $(BROWSERS)."

fmt: setup  ## format the code and mend what the linter can mend
	$(RUN) ruff format
	$(RUN) ruff check --fix

check: setup  ## lint, format, types and words; changes nothing
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(VENV)/bin/python tools/check_words.py

test: setup  ## run all tests
	$(TESTS)

test-quick: setup  ## run the tests that take under a minute together
	$(TESTS) -m "not slow"

drills: setup  ## harm every command and folder many times, by kills and more, and print what failed
	$(RUN) tests.drills

coverage: setup  ## run all tests and report the lines they reach; below 95 % of a core part it fails
	$(TESTS) --cov --cov-report=
	$(RUN) coverage report --include="src/hiersrec/*"
	@for part in $(COVERED); do \
		$(RUN) coverage report --include="src/hiersrec/$$part/*" --fail-under=95 --format=total >/dev/null || \
		{ echo "The tests reach less than 95 % of the lines of $$part/; coverage report says which are missing." >&2; exit 1; }; \
	done

demo: setup  ## the main job on the embedded dataset: prepare, train, evaluate, recommend with reasons
	$(VENV)/bin/hiersrec demo

# NO_MKDOCS_2_WARNING: constraints.txt pins the version that the notice is about.
docs: $(DOCS)  ## build the documentation as a site, build/site/index.html; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict --quiet

$(DOCS): $(STAMP)
	$(RUN) pip install $(PIP_ARGS) --quiet -c constraints.txt --group docs
	@touch $@

reproduce-small: setup  ## every table and figure of the paper on the embedded dataset, trained little (under 20 minutes)
	$(VENV)/bin/hiersrec reproduce all --dataset wikispeedia --budget small --out reproduce

dist: setup  ## build the sdist and, from it, the wheel into dist/, and check what a registry would show of them
	rm -rf dist
	$(RUN) build --no-isolation
	$(RUN) twine check --strict dist/*

clean:  ## remove caches, build outputs and the demo's folder; keeps .venv, data and runs
	rm -rf demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
