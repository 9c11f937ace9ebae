PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint gate format wheel clean

run: .venv/run ## read the sample articles, show the claims, write the records
	$(BIN)/stance run samples
	$(BIN)/stance run samples -o claims.jsonl

test: .venv/dev ## the whole test suite
	$(BIN)/python -m pytest

lint: .venv/dev ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

gate: .venv/dev ## the figures of the model that ships, against their floors
	$(BIN)/python -m training gate

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: .venv/dev ## dist/*.whl, with the default model in it
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv dist build claims.jsonl

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

.venv/dev: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable '.[training,ray,dev]'
	touch $@
