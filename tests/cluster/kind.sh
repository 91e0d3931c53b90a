# Sourced by up.sh: what the cluster looks like, and what kind leaves to whoever brings no CNI image.
# shellcheck shell=bash

# cluster_config yes|no: the kind configuration; "yes" when the node image is the one made here.
cluster_config() {
  cat <<CONFIG
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
- role: worker
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  failCgroupV1: false
CONFIG
  [ "$1" = no ] || cat <<CONFIG
networking:
  disableDefaultCNI: true
  kubeProxyMode: iptables
CONFIG
}

# Each node learns the others' names and pod networks; its pod-network service keeps the routes.
tell_peers() {
  local rows name other cidr
  rows=$(kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}')
  while read -r name _; do
    while read -r other cidr; do
      [ "$name" = "$other" ] || echo "$other $cidr"
    done <<<"$rows" | docker exec -i "$name" sh -c 'cat >/kind/peers.new && mv /kind/peers.new /kind/peers'
  done <<<"$rows"
}

# Pods may run on the control plane too, so that the worker can be drained.
open_control_plane() {
  kubectl taint nodes -l node-role.kubernetes.io/control-plane node-role.kubernetes.io/control-plane:NoSchedule- ||
    kubectl get nodes >/dev/null
}

# alive: after a restart the API server tells old news until scheduler, controllers and kubelets are back;
# each renews a lease every few seconds.
alive() {
  local renewed oldest now
  renewed=$(kubectl -n kube-node-lease get lease -o jsonpath='{range .items[*]}{.spec.renewTime}{"\n"}{end}' &&
    kubectl -n kube-system get lease kube-scheduler kube-controller-manager \
      -o jsonpath='{range .items[*]}{.spec.renewTime}{"\n"}{end}') || return 1
  oldest=$(sort <<<"$renewed" | head -n 1)
  now=$(date +%s)
  [ $((now - $(date -d "$oldest" +%s))) -lt 15 ]
}
