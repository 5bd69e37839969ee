# The two commands are `make run` and `make test`; the README says more.
# Nothing is installed twice: each stamp is newer than the requirements that it stands for.

PYTHON ?=
ARGS ?=
WORKERS ?= 3
PY := .venv/bin/python
INSTALLED := .venv/installed.stamp
INSTALLED_FOR_TESTS := .venv/installed-for-tests.stamp

# pip would byte-compile 16,000 files, which takes longer than fetching them; a quarter of them is ever imported.
# Python compiles those when it first imports them, and keeps that unless it is told not to, as in many containers.
PIP_INSTALL := $(PY) -m pip install --disable-pip-version-check --no-compile
unexport PYTHONDONTWRITEBYTECODE

# Threads that wait without spinning: on a busy machine the default is several times slower.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help run test lint coverage browser bench screenshots

help:
	@echo "make run          install, fetch the starter models, serve the page (flags: ARGS=\"--port 8000\")"
	@echo "make test         install, then lint and every test, those in a browser too"
	@echo "make lint         ruff and mypy alone"
	@echo "make coverage     the share of engine and labs that their tests run, which must be 90 %"
	@echo "make bench        every script of benchmarks/"
	@echo "make screenshots  draw the README's pictures anew, by the journeys that pass by them"
	@echo "make browser      find Chromium, or install it"

run: $(INSTALLED)
	$(PY) -m playground.models.starters $(ARGS) || true  # the page opens without them too, and says what is missing
	exec $(PY) app.py $(ARGS)

# Three of the other tests run at once (WORKERS), each with one thread: some wait for what they have started. The browser's
# tests have the machine to themselves: two cores are too few for a page with its model and more.
# One that fails gets a second try, and is named when it needed one: a busy machine may keep a page from its clicks, or
# two threads from meeting.
test: $(INSTALLED_FOR_TESTS) browser lint
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal --reruns 1 $(ARGS) --ignore tests/browser; others=$$?; \
	$(PY) -m pytest $(ARGS) --reruns 1 tests/browser; browser=$$?; exit $$((others | browser))

lint: $(INSTALLED_FOR_TESTS)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

coverage: $(INSTALLED_FOR_TESTS)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist worksteal --reruns 1 $(ARGS) tests/engine tests/labs \
	--cov playground.engine --cov playground.labs --cov-fail-under 90 --cov-report term:skip-covered

browser:
	@./.ci/browser

bench: $(INSTALLED_FOR_TESTS) browser
	@for script in benchmarks/*.py; do echo "== $$script"; $(PY) $$script || exit 1; done

screenshots: $(INSTALLED_FOR_TESTS) browser
	PLAYGROUND_TEST_UPDATE_SCREENSHOTS=1 $(PY) -m pytest $(ARGS) --reruns 1 tests/browser

$(INSTALLED): requirements.txt
	@PYTHON="$(PYTHON)" ./.ci/venv
	$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(INSTALLED_FOR_TESTS): $(INSTALLED) requirements-test.txt
	$(PIP_INSTALL) -r requirements-test.txt
	@touch $@
