#!/usr/bin/env bash
# From nothing to a streamed answer: cluster, images, chart with the local model, examples/hello.yaml, a question.
# Every step is skipped where its result is there, so it can be stopped and started at any point.
# Settings: HOROS_DEMO_NAMESPACE (of the agent, default: default), HOROS_DEMO_QUESTION, HOROS_DEMO_SECONDS (patience),
# HOROS_DEMO_VALUES (more values for the chart, as helm's --set takes them).
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
# shellcheck source=../tests/cluster/progress.sh
. tests/cluster/progress.sh
# shellcheck source=../tests/cluster/env.sh
. tests/cluster/env.sh
namespace=${HOROS_DEMO_NAMESPACE:-default}
question=${HOROS_DEMO_QUESTION:-"Hello! In one sentence: what is a lighthouse for?"}
patience=${HOROS_DEMO_SECONDS:-120}

lines() { printf '%s\n' "$@" >&2; }

install_chart() {
  helm upgrade --install horos charts/horos --namespace horos-system --create-namespace \
    --values .cluster/images.yaml --set "localModel.enabled=true${HOROS_DEMO_VALUES:+,$HOROS_DEMO_VALUES}" \
    --wait --timeout 5m
}

apply_agent() { kubectl --namespace "$namespace" apply -f examples/hello.yaml; }

agent_ready() { kubectl --namespace "$namespace" wait --for=condition=Ready agent/hello --timeout=120s; }

sync_environment() { "$uv" sync --frozen --all-extras; }

say "horos demo: a cluster on this machine, the operator, a local model, one agent."
uv=$(tests/machine.sh | tail -n 1)
step "prepare the horos command" sync_environment
tests/cluster/up.sh
tests/cluster/images.sh >/dev/null
# shellcheck source=../tests/cluster/env.sh
. tests/cluster/env.sh
step "install the chart with the local model" install_chart
step "kubectl apply -f examples/hello.yaml" apply_agent
on_failure="What is wrong: .venv/bin/horos describe hello -n $namespace" step "wait until the agent is ready" agent_ready

lines "" "you:   $question"
printf 'hello: ' >&2
.venv/bin/horos send hello "$question" --namespace "$namespace" --wait --timeout "$patience"

lines "" "This was a language model in the cluster, asked by an agent in its own pod. It took $SECONDS s. Next:" \
  "  . tests/cluster/env.sh; export PATH=\$PWD/.venv/bin:\$PATH" \
  "  horos chat hello                      talk to it" \
  "  horos agents; horos describe hello    what it is doing, and why not" \
  "  horos events hello                    every token and state, as it happens" \
  "  kubectl edit agent hello              change its instructions: the next turn uses them" \
  "  make cluster-down                     remove all of it"
