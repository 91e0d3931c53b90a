#!/usr/bin/env bash
# Third step of the cluster, only where no node image can be pulled: builds one as kind expects it, with every
# image that kubeadm wants already in its store. Prints the tag. Usage: node-image.sh (after tools.sh all)
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=progress.sh
. "$here/progress.sh"
# shellcheck source=env.sh
. "$here/env.sh"
# shellcheck source=versions.env
. "$here/versions.env"
# shellcheck source=go.sh
. "$here/go.sh"
# shellcheck source=debian-image.sh
. "$here/debian-image.sh"

packages=systemd,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,pigz
packages+=,e2fsprogs,bash,ca-certificates,curl,jq,procps,runc,socat

base_key=$(cat "$here/debian-image.sh" <(echo "$DEBIAN_SUITE $packages") | sha256sum | cut -c1-16)
base=horos-node-base:$base_key
key=$(cat "$here"/node/* "$here/node-image.sh" <(echo "$base $HOROS_TOOLS") | sha256sum | cut -c1-16)
image=horos-node:v$KUBE_VERSION-$key

work=$HOROS_CACHE/node-image
stage=$work/stage
bin=$HOROS_TOOLS/bin

present() { docker image inspect "$1" >/dev/null 2>&1; }

build() { DOCKER_BUILDKIT=0 docker build -q --build-arg "NODE_BASE=$base" "$@"; }

# kind's files for a node, our programs, and the pod network service.
lay_out_node() {
  local kind_files
  kind_files=$(go mod download -json "sigs.k8s.io/kind@v$KIND_VERSION" |
    sed -n 's/.*"Dir": "\(.*\)",/\1/p')/images/base/files
  # Files of the module cache are read-only: only their content is wanted.
  cp -r --no-preserve=mode "$kind_files/." "$stage/"
  # A lower oom_score_adj than the engine's cannot be set without CAP_SYS_RESOURCE.
  sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$stage/etc/containerd/config.toml"
  install -D -m 755 -t "$stage/kind/bin" "$here/node/pod-network.sh"
  install -D -m 644 -t "$stage/etc/systemd/system" "$here"/node/*.service "$here"/node/*.path
  chmod 755 "$stage"/kind/bin/* "$stage"/usr/local/bin/*
  install -D -t "$stage/usr/local/bin" "$bin"/{containerd,containerd-shim-runc-v2,ctr,crictl}
  install -D -t "$stage/opt/cni/bin" "$bin"/{ptp,host-local,portmap,loopback}
  install -D -t "$stage/usr/bin" "$bin/kubernetes"
  local program
  for program in kubelet kubeadm kubectl; do
    ln -s kubernetes "$stage/usr/bin/$program"
  done
  printf 'v%s' "$KUBE_VERSION" >"$stage/kind/version"
}

import_program() {
  tar -c -C "$bin" "$1" | docker import -c "ENTRYPOINT [\"/$1\"]" - "horos-node-$1:$key"
}

build_kubernetes_image() {
  local program programs=$work/kubernetes/usr/local/bin
  mkdir -p "$programs"
  cp "$bin/kubernetes" "$programs/"
  for program in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl etcd; do
    ln -s kubernetes "$programs/$program"
  done
  build -f "$here/node/kubernetes.dockerfile" -t "horos-node-kubernetes:$key" "$work/kubernetes"
}

wanted_images() {
  "$bin/kubeadm" config images list --kubernetes-version "v$KUBE_VERSION" | grep -v /pause:
  sed -n 's/ *sandbox_image = "\(.*\)"/\1/p' "$stage/etc/containerd/config.toml"
}

# Gives our images the names that kubeadm and containerd ask for, and prints those names.
name_images() {
  local wanted
  for wanted in $(wanted_images); do
    case $wanted in
      */coredns:*) docker tag "horos-node-coredns:$key" "$wanted" ;;
      */pause:*) docker tag "horos-node-pause:$key" "$wanted" ;;
      *) docker tag "horos-node-kubernetes:$key" "$wanted" ;;
    esac
    echo "$wanted"
  done
}

# A throw-away containerd on this machine fills the content store that the node image carries.
fill_image_store() {
  local run=$work/containerd store=$stage/var/lib/containerd containerd
  mkdir -p "$run" "$store"
  cat >"$run/config.toml" <<CONFIG
version = 3
root = "$store"
state = "$run/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.overlayfs", "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.blockfile"]
[grpc]
address = "$run/socket"
CONFIG
  "$bin/containerd" -c "$run/config.toml" >"$run/log" 2>&1 &
  containerd=$!
  # shellcheck disable=SC2064  # this very process, whatever happens
  trap "kill $containerd" EXIT
  wait_until 20 "$bin/ctr" -a "$run/socket" version
  # shellcheck disable=SC2046  # one argument per name
  docker save $(name_images) | "$bin/ctr" -a "$run/socket" -n k8s.io images import \
    --no-unpack --local --label io.cri-containerd.pinned=pinned -
  kill "$containerd"
  wait "$containerd" || true
  trap - EXIT
  # kind mounts a volume on /var that docker fills at each start: only what is needed stays.
  find "$store" -mindepth 1 -maxdepth 1 ! -name '*content.v1.content' ! -name '*metadata.v1.bolt' -exec rm -rf {} +
}

build_node() {
  rm -rf "$work"
  mkdir -p "$stage"
  lay_out_node
  import_program coredns
  import_program pause
  build_kubernetes_image
  fill_image_store
  build -f "$here/node/node.dockerfile" -t "$image" "$stage"
  rm -rf "$work"
}

if ! present "$image"; then
  require_go
  if ! present "$base"; then
    require_debian_builder
    step "build the node's Debian" import_debian "$base" minbase "$packages"
  fi
  step "build the node image" build_node
fi
echo "$image"
