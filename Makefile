# The ways into the project. `make check` all day, `make test` before a change is called done.
SHELL := /bin/bash
.DEFAULT_GOAL := help

UV = $(shell tests/machine.sh | tail -n 1)
RUN = $(UV) run --frozen --all-extras
PYTEST = $(RUN) pytest

.PHONY: help
help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: demo
demo: ## an agent that answers, with a local model; in a cluster if one is at hand: examples/demo.sh
	@examples/demo.sh

.PHONY: demo-cluster
demo-cluster: ## the same in a kind cluster, brought up whatever it takes
	@HOROS_DEMO=cluster examples/demo.sh

.PHONY: format
format: ## put all Python in order
	$(RUN) ruff format
	$(RUN) ruff check --fix

.PHONY: crds
crds: ## write crds/ and the chart's copy anew from the pydantic models
	$(RUN) python -m horos_api.crd

.PHONY: static
static: ## format, lint, types
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy

.PHONY: check
check: static ## lint, types, imports, unit, Redis: all that is quick and needs no cluster
	$(PYTEST) -n 3 -m "not cluster" --ignore=tests/protocol

.PHONY: test
test: static ## everything; brings the cluster up first
	tests/with-cluster.sh $(PYTEST)

.PHONY: crash
crash: ## kill -9 at every point of every script and of the runtime, a message at every moment of leaving
	$(RUN) python -m tests.crash crash
	$(RUN) python -m tests.crash leave

.PHONY: faults
faults: ## kill the operator before and after each of its writes, refuse them, keep back what watches tell
	tests/cluster/up.sh
	. tests/cluster/env.sh && $(RUN) python -m tests.faults

SEED ?= 1
KILLS ?= 500
SENDS ?= 1000
.PHONY: soak
soak: ## random kills, and messages around retiring: make soak SEED=1 KILLS=500 SENDS=1000
	$(RUN) python -m tests.crash soak --seed $(SEED) --kills $(KILLS)
	$(RUN) python -m tests.crash sends --seed $(SEED) --sends $(SENDS)

.PHONY: mutants
mutants: ## take each guard out of the scripts and look whether a test notices
	$(RUN) python -m tests.mutants

.PHONY: bench
bench: ## horos beside its peers: speed and weight, into benchmarks/README.md; a quarter of an hour on a quiet machine
	$(RUN) python -m benchmarks
	$(RUN) python -m benchmarks.one_machine

.PHONY: scale
scale: ## thousands of agents on fake nodes of the test cluster, beside the budgets, into benchmarks/README.md
	tests/cluster/up.sh
	. tests/cluster/env.sh && $(RUN) python -m benchmarks.scale

.PHONY: cluster
cluster: ## bring the test cluster up and load the images
	tests/cluster/up.sh
	tests/cluster/images.sh

.PHONY: cluster-down
cluster-down: ## remove the test cluster, stop the engine that it started
	tests/cluster/down.sh
