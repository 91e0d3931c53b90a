#!/usr/bin/env bash
# Removes the cluster, and stops the engine if engine.sh had to start it and no other cluster uses it.
# What was built stays in the cache, so the next up.sh takes seconds. Usage: down.sh
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=progress.sh
. "$here/progress.sh"
# shellcheck source=env.sh
. "$here/env.sh"

if ! docker version >/dev/null 2>&1; then
  say "No container engine answers, so no cluster is running."
  exit 0
fi
step "remove the cluster $HOROS_CLUSTER" kind delete cluster --name "$HOROS_CLUSTER" --kubeconfig "$KUBECONFIG"
rm -f "$KUBECONFIG"
if [ -z "$(kind get clusters -q)" ]; then
  docker rm -f -v horos-registry >/dev/null 2>&1 || true
  "$here/engine.sh" stop
fi
