#!/usr/bin/env bash
# From nothing to a ready cluster: engine, programs, node image, kind. Every step is skipped where its result
# is there, so a second run takes seconds and an interrupted one goes on. Usage: up.sh; then . tests/cluster/env.sh
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=progress.sh
. "$here/progress.sh"
# shellcheck source=env.sh
. "$here/env.sh"
# shellcheck source=can-pull.sh
. "$here/can-pull.sh"
# shellcheck source=kind.sh
. "$here/kind.sh"

# The kubeconfig is moved to its place when the cluster stands, so a cluster without one is half made.
finished() { grep -qs ' server: ' "$KUBECONFIG"; }

exists() { kind get clusters 2>/dev/null | grep -qx "$HOROS_CLUSTER"; }

nodes() { docker ps -aq --filter "label=io.x-k8s.kind.cluster=$HOROS_CLUSTER" "$@"; }

home_made_nodes() { docker inspect -f '{{.Config.Image}}' "$(nodes | head -n 1)" | grep -q '^horos-node:'; }

create() {
  local home_made=$1 image=$2
  # A start that broke off leaves nodes without a cluster in them.
  rm -f "$KUBECONFIG"
  kind delete cluster --name "$HOROS_CLUSTER" --kubeconfig "$KUBECONFIG.new"
  cluster_config "$home_made" | kind create cluster --name "$HOROS_CLUSTER" --config - \
    --kubeconfig "$KUBECONFIG.new" ${image:+--image "$image"} --wait 120s
  mv "$KUBECONFIG.new" "$KUBECONFIG"
}

create_cluster() {
  local image="" home_made=no
  if can_pull; then
    "$here/tools.sh" client
  else
    say "No image can be pulled here: the cluster is built from Go modules and Debian packages."
    "$here/tools.sh" all
    image=$("$here/node-image.sh")
    home_made=yes
  fi
  step "create the cluster $HOROS_CLUSTER" create "$home_made" "$image"
}

# kubectl comes out of the node image where it is an ordinary one.
provide_kubectl() {
  [ -x "$HOROS_TOOLS/bin/kubectl" ] ||
    docker cp -L "$HOROS_CLUSTER-control-plane:/usr/bin/kubectl" "$HOROS_TOOLS/bin/kubectl"
}

make_ready() {
  wait_until 180 kubectl get --raw /readyz
  wait_until 60 alive
  open_control_plane
  ! home_made_nodes || tell_peers
  kubectl wait --for=condition=Ready node --all --timeout=120s
  kubectl -n kube-system rollout status deployment/coredns --timeout=120s
}

"$here/engine.sh" start
# shellcheck source=env.sh
. "$here/env.sh"
mkdir -p "$(dirname "$KUBECONFIG")"
# Two runs at once would both create; the second waits and finds the cluster.
exec 9>"$HOROS_CACHE/lock"
flock 9

start=$SECONDS
if ! finished || ! exists; then
  create_cluster
elif [ -n "$(nodes --filter status=exited)" ]; then
  # shellcheck disable=SC2046  # one argument per node
  step "start the cluster's nodes again" docker start $(nodes)
fi
provide_kubectl
step "wait for the cluster to be ready" make_ready
say "Cluster $HOROS_CLUSTER is ready after $((SECONDS - start)) s. Next: . tests/cluster/env.sh && kubectl get nodes"
