# Source this before kind, kubectl, helm or docker: it points them at the test cluster and its tools.
# Settings: HOROS_CACHE (where everything built is kept), HOROS_CLUSTER (name of the cluster).
# shellcheck shell=bash
CLUSTER_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CLUSTER_SCRIPTS
export HOROS_CACHE=${HOROS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/horos}
export HOROS_CLUSTER=${HOROS_CLUSTER:-horos}

# The tools live in a folder named by the content of their recipe.
HOROS_TOOLS=$HOROS_CACHE/tools/$(cd "$CLUSTER_SCRIPTS" &&
  cat versions.env tools.sh programs/*.c programs/*/* | sha256sum | cut -c1-16)
export HOROS_TOOLS
case :$PATH: in *":$HOROS_TOOLS/bin:"*) ;; *) export PATH=$HOROS_TOOLS/bin:$PATH ;; esac

# Never ~/.kube/config: the cluster has a kubeconfig of its own.
export KUBECONFIG=$HOROS_CACHE/clusters/$HOROS_CLUSTER.kubeconfig

# engine.sh leaves its address here when it had to start an engine.
if [ -z "${DOCKER_HOST:-}" ] && [ -f "$HOROS_CACHE/engine/address" ]; then
  DOCKER_HOST=$(cat "$HOROS_CACHE/engine/address")
  export DOCKER_HOST
fi
