# Everything a person or CI needs, from a bare Python 3.11+. Each target makes the environment that it needs.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: quickstart test test-browser test-torch test-runtimes test-all check format clean

$(VENV)/.core: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[onnx,web]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.core
	$(BIN)/python -m pip install --quiet -e '.[dev,onnx,plot,results,web]'
	$(BIN)/python -m pip install --quiet mlcommons-loadgen || echo "no official load generator for this machine: its oracle tests will be skipped"
	@touch $@

# A version that has a small CPU-only build where one is at hand; any torch from 2.6 on will do.
TORCH ?= torch==2.13.0

$(VENV)/.torch: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet '$(TORCH)' 'onnx>=1.16' 'onnxscript>=0.1'
	@touch $@

$(VENV)/.runtimes: $(VENV)/.torch
	$(BIN)/python -m pip install --quiet -e '.[openvino,litert,opencv,llama-cpp,quantize]' 'gguf>=0.10'
	@touch $@

$(VENV)/.browser: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet -e '.[browser]'
	@touch $@

quickstart: $(VENV)/.core   ## accuracy, four scenarios and the peak Server rate on packed photographs
	$(BIN)/mlassay quickstart

test: $(VENV)/.dev          ## the default suite
	$(BIN)/python -m pytest

test-browser: $(VENV)/.browser ## the dashboard in a real Chromium (Debian: apt-get install chromium)
	$(BIN)/python -m pytest -m "browser and not slow" tests/web

test-torch: $(VENV)/.torch  ## what needs PyTorch: reference models, training
	$(BIN)/python -m pytest -m "torch and not slow"

test-runtimes: $(VENV)/.runtimes ## every task on every runtime: the matrix (llama.cpp is compiled first, some minutes)
	$(BIN)/python -m pytest -m "slow or not slow" tests/backends tests/tasks/generation

test-all: $(VENV)/.torch      ## with the slow tests
	$(BIN)/python -m pytest -m "slow or not slow"

check: $(VENV)/.dev         ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
