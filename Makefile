# Everything a person does with this repository. A bare `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE := $(or $(FINETUNE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/finetune-operator)
UV := $(or $(shell command -v uv 2>/dev/null),$(CACHE)/uv/bin/uv)
BIN := .venv/bin
READY := .venv/.ready
PYTHON := PYTHONPATH=dev:bench $(BIN)/python
# mkdocs-material would advertise its successor at every build.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs
PACKAGES := operator/src trainer_image/src tests dev bench

.PHONY: help setup lint format test e2e test-long e2e-hostile chaos demo demo-local demo-down prepare up down status images crds lock bench-trainer bench-cluster bench-operator bench-search bench-curves bench-replay bench-sparse bench-memory bench-adapters bench-seeds bench-store docs docs-serve release clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(CACHE)/uv/bin/uv:
	@echo "==> installing uv (once, into $(CACHE))"
	@python3 -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install -q uv

$(READY): requirements/dev.lock pyproject.toml | $(UV)
	@echo "==> installing the Python environment (.venv; a minute the first time, seconds from the cache)"
	@$(UV) venv -q --allow-existing .venv
	@$(UV) pip install -q --python .venv --compile-bytecode --require-hashes -r requirements/dev.lock
	@$(UV) pip install -q --python .venv --no-deps -e .
	@touch $@

setup: $(READY) ## Install the Python environment into .venv

lint: $(READY) ## ruff, mypy --strict, import contracts, helm lint, CRDs up to date, documentation
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTHON) -m finetune_dev.crds --check
	$$($(PYTHON) -m finetune_dev binaries helm) lint --strict helm/finetune-operator
	$(MKDOCS) build --quiet --strict

format: $(READY) ## Format the code
	$(BIN)/ruff format $(PACKAGES)
	$(BIN)/ruff check --fix $(PACKAGES)

test: $(READY) ## Unit, contract, API-server and trainer tests (no cluster needed; TEST_WORKERS=2 processes)
	@echo "==> API server for the tests (built once from source, about 2 minutes; cached in $(CACHE))"
	@$(PYTHON) -m finetune_dev binaries kube-apiserver helm kstatus promrules registry $(if $(shell command -v kubectl),,kubectl) >/dev/null
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(or $(TEST_WORKERS),2) --dist loadfile -m "not e2e and not long"

e2e: $(READY) ## End-to-end tests on the real local cluster with the real images (E2E_WORKERS=2: side by side where they can)
	@$(PYTHON) -m finetune_dev up
	@$(PYTHON) -m finetune_dev images
	@$(PYTHON) -m finetune_dev kuberay
	$(if $(E2E_WORKERS),$(BIN)/pytest -m "e2e and not long and not alone" -n $(E2E_WORKERS) --dist loadfile tests/e2e)
	$(BIN)/pytest -m "e2e and not long$(if $(E2E_WORKERS), and alone)" tests/e2e

test-long: $(READY) ## What .ci/run has no time for: Kueue itself, KubeRay's faults, runs on Ray, a run that stalls, more searches
	@$(PYTHON) -m finetune_dev binaries kube-apiserver kueue >/dev/null
	OMP_NUM_THREADS=1 $(BIN)/pytest -m e2e tests/operator/test_kueue.py
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "long and not e2e"
	@$(PYTHON) -m finetune_dev up
	@$(PYTHON) -m finetune_dev images
	@$(PYTHON) -m finetune_dev kuberay
	@$(PYTHON) -m finetune_dev kueue
	$(BIN)/pytest -m "e2e and long" tests/e2e
	@$(PYTHON) -m finetune_dev kueue --remove

e2e-hostile: $(READY) ## One tenant attacks the operator for 10 minutes while another works (HOSTILE_MINUTES=...)
	@$(PYTHON) -m finetune_dev up
	@$(PYTHON) -m finetune_dev images
	HOSTILE_MINUTES=$${HOSTILE_MINUTES:-10} $(BIN)/pytest -s -m e2e tests/e2e/test_hostile_tenants.py

chaos: $(READY) ## Random faults on the real cluster, and whether all comes to the same end (CHAOS_SEED=..., CHAOS_MINUTES=30)
	@$(PYTHON) -m finetune_dev up
	@$(PYTHON) -m finetune_dev images
	OMP_NUM_THREADS=1 PYTHONPATH=tests:dev:bench $(BIN)/python -m chaos

demo: $(READY) ## The main job for real: cluster, operator, an experiment, its results (GLUE_DIR=... for real data)
	@$(PYTHON) -m finetune_dev up
	@$(PYTHON) -m finetune_dev images
	@$(PYTHON) -m finetune_dev.demo.cluster $(if $(GLUE_DIR),--glue-dir "$(GLUE_DIR)")

demo-local: $(READY) ## The same on this machine, without a cluster, in minutes (GLUE_DIR=... for real data)
	@$(PYTHON) -m finetune_dev.demo.local $(if $(GLUE_DIR),--glue-dir "$(GLUE_DIR)")

demo-down: $(READY) ## Remove the demo from the cluster
	@$(PYTHON) -m finetune_dev.demo.cluster --remove

prepare: $(READY) ## Build all programs and images of the local cluster, without starting it
	@$(PYTHON) -m finetune_dev prepare

up: $(READY) ## Start the local cluster
	@$(PYTHON) -m finetune_dev up

down: $(READY) ## Stop the local cluster
	@$(PYTHON) -m finetune_dev down

status: $(READY) ## Say what of the local cluster runs
	@$(PYTHON) -m finetune_dev status

images: $(READY) ## Build both images and load them into the local cluster
	@$(PYTHON) -m finetune_dev images

crds: $(READY) ## Generate crds/ from the API's types
	$(PYTHON) -m finetune_dev.crds

models: $(READY) ## Try every architecture and write docs/models.md
	PYTHONPATH=tests:dev $(BIN)/python -m support.model_matrix

lock: | $(UV) ## Resolve the dependencies anew
	for image in "operator --extra cli --extra ui --extra publish --extra mlflow" trainer; do \
	  $(UV) pip compile -q --universal --python-version 3.11 --extra $$image --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    pyproject.toml -o requirements/$${image%% *}.lock; done
	$(UV) pip compile -q --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml -o requirements/dev.lock
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --constraints requirements/dev.lock \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements/release.in \
	  -o requirements/release.lock
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements/mlflow.in \
	  -o requirements/mlflow.lock

bench-trainer: $(READY) ## Our trainer against a script that does what run_glue.py does by default
	$(PYTHON) -m bench_trainer $(BENCH_ARGS)

bench-cluster: $(READY) ## Real GLUE through the local cluster, against the peer of bench-trainer
	@$(PYTHON) -m finetune_dev up
	@$(PYTHON) -m finetune_dev images
	$(PYTHON) -m bench_cluster $(BENCH_ARGS)

bench-adapters: $(READY) ## LoRA and full training through the local cluster, against a script of PEFT's own usage
	@$(PYTHON) -m finetune_dev up
	@$(PYTHON) -m finetune_dev images
	$(PYTHON) -m bench_adapters $(BENCH_ARGS)

bench-operator: $(READY) ## A real API server, 1,000 experiments: latencies, requests, memory
	@$(PYTHON) -m finetune_dev binaries kube-apiserver >/dev/null
	PYTHONPATH=dev:bench:tests $(BIN)/python -m bench_operator $(BENCH_ARGS)

bench-search: $(READY) ## Random search to the end against ASHA and TPE, on one space and model
	$(PYTHON) -m bench_search $(BENCH_ARGS)

bench-curves: $(READY) ## Record learning curves of many configurations, for bench-replay (--journal FILE --glue-dir GLUE)
	OMP_NUM_THREADS=1 $(PYTHON) -m curves.record $(BENCH_ARGS)

bench-replay: $(READY) ## Policies of searches over the recorded curves: value and steps against the full search
	$(PYTHON) -m bench_replay $(BENCH_ARGS)

bench-sparse: $(READY) ## What keeping a sparse model's zeros costs, and that they are kept
	$(PYTHON) -m bench_sparse $(BENCH_ARGS)

bench-memory: $(READY) ## Peak memory of data handling up to QQP's 390,965 test rows
	$(PYTHON) -m bench_memory $(BENCH_ARGS)

bench-store: $(READY) ## What a cache of models saves a pod, and what asking for folders saves a table
	PYTHONPATH=dev:bench:tests $(BIN)/python -m bench_store $(BENCH_ARGS)

bench-seeds: $(READY) ## Whether the rules that add seeds keep what they promise
	$(PYTHON) -m bench_seeds $(BENCH_ARGS)

docs: $(READY) ## Build the documentation's site: build/site/index.html
	@$(MKDOCS) build --quiet --strict
	@echo "build/site/index.html"

docs-serve: $(READY) ## Show the documentation at http://127.0.0.1:8000 while you write it
	@$(MKDOCS) serve

release: $(READY) ## Wheel, images, chart, plugin, SBOMs, signatures into build/release (RELEASE_REGISTRY=...: pushed; docs/releasing.md)
	@$(PYTHON) -m finetune_release

clean: ## Remove the Python environment and caches inside the repository
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis
