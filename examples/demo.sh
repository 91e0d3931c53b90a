#!/usr/bin/env bash
# From nothing to a streamed answer: examples/hello.yaml, a local model, a question. In a cluster where one is at hand
# or can be had within minutes: the cluster of tests/cluster, horos in the current context, or a kind cluster from
# images that are here or can be pulled. Otherwise on this machine, with `horos run`.
# Every step is skipped where its result is there, so it can be stopped and started at any point.
# Settings: HOROS_DEMO (cluster: bring one up whatever it takes, as `make demo-cluster` does; machine: none),
# HOROS_DEMO_NAMESPACE (of the agent, default: default), HOROS_DEMO_QUESTION, HOROS_DEMO_SECONDS (patience),
# HOROS_DEMO_VALUES (more values for the chart, as helm's --set takes them), HOROS_DEMO_DATA (folder of `horos run`).
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
own_kubeconfig=${KUBECONFIG:-$HOME/.kube/config}
# shellcheck source=../tests/cluster/progress.sh
. tests/cluster/progress.sh
# shellcheck source=../tests/cluster/env.sh
. tests/cluster/env.sh
# shellcheck source=../tests/cluster/can-pull.sh
. tests/cluster/can-pull.sh
namespace=${HOROS_DEMO_NAMESPACE:-default}
question=${HOROS_DEMO_QUESTION:-"Hello! In one sentence: what is a lighthouse for?"}
patience=${HOROS_DEMO_SECONDS:-120}
data=${HOROS_DEMO_DATA:-.horos}

lines() { printf '%s\n' "$@" >&2; }

reachable() {
  command -v kubectl >/dev/null && kubectl --kubeconfig "$1" --request-timeout=5s get "${@:2}" >/dev/null 2>&1
}

has_horos() { [ "$own_kubeconfig" != "$KUBECONFIG" ] && reachable "$own_kubeconfig" crd agents.horos.dev; }

stands() { [ -f "$KUBECONFIG" ] && reachable "$KUBECONFIG" --raw /readyz; }

engine_answers() { command -v docker >/dev/null && timeout 20 docker version >/dev/null 2>&1; }

nodes_built() { [ -n "$(docker image ls -q horos-node 2>/dev/null)" ]; }

# An engine of ours that is only stopped starts in a second.
quick_to_have() {
  engine_answers || { [ -d "$HOROS_CACHE/engine/data" ] && tests/cluster/engine.sh start 2>/dev/null; } || return 1
  # shellcheck source=../tests/cluster/env.sh
  . tests/cluster/env.sh
  nodes_built || can_pull
}

# Prints where the demo runs: cluster, yours or machine.
place() {
  if [ -n "${HOROS_DEMO:-}" ]; then
    case $HOROS_DEMO in cluster | machine) ;; *) die "HOROS_DEMO=$HOROS_DEMO: expected cluster or machine" ;; esac
    echo "$HOROS_DEMO"
  elif stands; then
    echo cluster
  elif has_horos; then
    echo yours
  elif quick_to_have; then
    echo cluster
  else
    echo machine
  fi
}

install_chart() {
  helm upgrade --install horos charts/horos --namespace horos-system --create-namespace \
    --values .cluster/images.yaml --set "localModel.enabled=true${HOROS_DEMO_VALUES:+,$HOROS_DEMO_VALUES}" \
    --wait --timeout 5m
}

apply_agent() { kubectl --namespace "$namespace" apply -f examples/hello.yaml; }

agent_ready() { kubectl --namespace "$namespace" wait --for=condition=Ready agent/hello --timeout=120s; }

sync_environment() { "$uv" sync --frozen --all-extras; }

ask_in_cluster() {
  step "kubectl apply -f examples/hello.yaml" apply_agent
  on_failure="What is wrong: .venv/bin/horos describe hello -n $namespace" \
    step "wait until the agent is ready" agent_ready
  lines "" "you:   $question"
  printf 'hello: ' >&2
  .venv/bin/horos send hello "$question" --namespace "$namespace" --wait --timeout "$patience"
}

on_this_machine() {
  lines "No cluster is at hand, and none can be had within minutes: this is the same agent on this machine, with the" \
    "same operator and gateway; its pod is a process. The full thing: make demo-cluster" ""
  .venv/bin/horos run examples/hello.yaml --data "$data" --namespace "$namespace" \
    --ask "$question" --timeout "$patience"
  lines "" "This was a language model on this machine, asked by an agent in its own process. $SECONDS s. Next:" \
    "  export PATH=\$PWD/.venv/bin:\$PATH" \
    "  horos run examples/hello.yaml         it remembers; talk to it with horos chat, as it says" \
    "  ls examples                           a team, a board of reviewers, an assistant, an agent with tools" \
    "  make demo-cluster                     the same in Kubernetes"
}

in_your_cluster() {
  export KUBECONFIG=$own_kubeconfig
  lines "The cluster of your context $(kubectl config current-context) has horos: the agent goes there."
  ask_in_cluster
  lines "" "This was the default model of your cluster. It took $SECONDS s. Next:" \
    "  .venv/bin/horos chat hello -n $namespace       talk to it" \
    "  kubectl -n $namespace delete agent hello      remove it"
}

in_a_cluster() {
  tests/cluster/up.sh
  tests/cluster/images.sh >/dev/null
  # shellcheck source=../tests/cluster/env.sh
  . tests/cluster/env.sh
  step "install the chart with the local model" install_chart
  ask_in_cluster
  lines "" "This was a language model in the cluster, asked by an agent in its own pod. It took $SECONDS s. Next:" \
    "  . tests/cluster/env.sh; export PATH=\$PWD/.venv/bin:\$PATH" \
    "  horos chat hello                      talk to it" \
    "  horos agents; horos describe hello    what it is doing, and why not" \
    "  horos events hello                    every token and state, as it happens" \
    "  kubectl edit agent hello              change its instructions: the next turn uses them" \
    "  make cluster-down                     remove all of it"
}

say "horos demo: one agent, a local model, an answer."
where=$(place)
uv=$(tests/machine.sh uv | tail -n 1)
step "prepare the horos command" sync_environment
case $where in
  yours) in_your_cluster ;;
  cluster) in_a_cluster ;;
  machine) on_this_machine ;;
esac
