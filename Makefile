PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test test-slow test-browser test-label-studio lint gate bench format wheel clean

run: .venv/run ## read the sample articles, show the claims, write the records
	$(BIN)/stance run samples
	$(BIN)/stance run samples -o claims.jsonl

# Files as they come by name: pytest-xdist would leave those of few long tests for the end.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --ignore tests/browser

test: .venv/dev ## the test suite, all but what takes long and the pages in a browser
	$(PYTEST) -m 'not slow'

test-slow: .venv/dev ## what takes long: clusters, jobs killed in the middle, training, the floors of the model that ships
	$(PYTEST) -m slow

test-browser: .venv/browser ## the pages in a real Chromium; skipped, and said so, where there is none
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope tests/browser -rs

test-label-studio: .venv/dev .venv-label-studio/done ## our tasks in a real Label Studio, on this machine alone; 1 GB
	$(BIN)/python -m pytest tests/test_label_studio_server.py -rs

lint: .venv/dev ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

gate: .venv/dev ## the figures of the model that ships, against their floors
	$(BIN)/python -m training gate

bench: .venv/bench ## speed on this machine, beside others; BENCH=articles.jsonl reads those
	$(BIN)/python -m training bench $(if $(BENCH),--data $(BENCH))

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: .venv/dev ## dist/*.whl, with the default model in it
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv .venv-label-studio dist build claims.jsonl

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

.venv/dev: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable '.[training,ray,dev]'
	touch $@

# Chromium comes with the system: Debian's package, where this may install it.
.venv/browser: .venv/dev
	$(INSTALL) --editable '.[training,ray,dev,browser]'
	command -v chromium || (apt-get update -qq && apt-get install -qq --yes chromium) \
		|| echo 'no chromium, and no way to install it here: the tests of the pages will be skipped' >&2
	touch $@

# In an environment of its own: it pins what it needs to other versions than ours.
.venv-label-studio/done:
	$(PYTHON) -m venv .venv-label-studio
	.venv-label-studio/bin/pip install --quiet --disable-pip-version-check label-studio==1.23.2
	touch $@

.venv/bench: .venv/dev
	$(INSTALL) --editable '.[training,dev,bench]'
	touch $@
