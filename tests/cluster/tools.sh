#!/usr/bin/env bash
# Second step of the cluster: its programs, built from Go modules into $HOROS_TOOLS/bin, each exactly once.
# Usage: tools.sh client (kind, helm and registry, where node images can be pulled) | tools.sh all
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

bin=$HOROS_TOOLS/bin
fresh=$HOROS_TOOLS/fresh # what is being built; moved to bin when it is whole
export GOBIN=$fresh

# Kubernetes' own libraries, which its go.mod replaces by folders that a module download does not carry.
staging=(api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider
  cluster-bootstrap code-generator component-base component-helpers controller-manager cri-api
  cri-client cri-streaming csi-translation-lib dynamic-resource-allocation endpointslice externaljwt
  kms kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics
  mount-utils pod-security-admission sample-apiserver sample-cli-plugin sample-controller streaming)

build_kubernetes() {
  local module flags="-s -w" package minor
  minor=${KUBE_VERSION#*.}
  go_module "$HOROS_TOOLS/kubernetes"
  cp "$CLUSTER_SCRIPTS/programs/kubernetes/main.go" .
  go mod edit -go=1.26.0 -godebug=default=go1.26 -require="k8s.io/kubernetes@v$KUBE_VERSION"
  for module in "${staging[@]}"; do
    go mod edit -replace="k8s.io/$module=k8s.io/$module@v$KUBE_STAGING_VERSION"
  done
  go mod tidy
  # Without these it calls itself v0.0.0 and kubeadm refuses it.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=v$KUBE_VERSION -X $package.gitMajor=${KUBE_VERSION%%.*}"
    flags+=" -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
    flags+=" -X $package.gitCommit=local -X $package.buildDate=2026-01-01T00:00:00Z"
  done
  go build -tags grpcnotrace,notest,netgo,osusergo -ldflags "$flags" -o "$fresh/kubernetes" .
}

build_crictl() {
  # `go install` of cri-tools asks for a list of versions that a module mirror may refuse.
  go_module "$HOROS_TOOLS/crictl"
  go mod edit -go=1.26.2 -tool=sigs.k8s.io/cri-tools/cmd/crictl \
    -require="sigs.k8s.io/cri-tools@v$CRICTL_VERSION"
  go mod tidy
  go build -ldflags "-s -w -X sigs.k8s.io/cri-tools/pkg/version.Version=v$CRICTL_VERSION" \
    -o "$fresh/crictl" sigs.k8s.io/cri-tools/cmd/crictl
}

build_containerd() {
  local module=github.com/containerd/containerd/v2
  go_install no_btrfs,no_devmapper,no_zfs,no_aufs,netgo,osusergo \
    "-X $module/version.Version=v$CONTAINERD_VERSION" "$module@v$CONTAINERD_VERSION" \
    cmd/containerd cmd/containerd-shim-runc-v2 cmd/ctr
}

build_cni_plugins() {
  go_install netgo "" "github.com/containernetworking/plugins@v$CNI_PLUGINS_VERSION" \
    plugins/main/ptp plugins/main/loopback plugins/ipam/host-local plugins/meta/portmap
}

build_coredns() {
  go_install grpcnotrace "-X github.com/coredns/coredns/coremain.GitCommit=local" \
    "github.com/coredns/coredns@v$COREDNS_VERSION" ""
}

build_kind() { go_install netgo "" "sigs.k8s.io/kind@v$KIND_VERSION" ""; }

build_helm() {
  go_install netgo "-X helm.sh/helm/v3/internal/version.version=v$HELM_VERSION" \
    "helm.sh/helm/v3@v$HELM_VERSION" cmd/helm
}

build_registry() {
  go_module "$HOROS_TOOLS/registry"
  cp "$CLUSTER_SCRIPTS/programs/registry/main.go" .
  go mod edit -go=1.26.0 -require="github.com/google/go-containerregistry@v$REGISTRY_VERSION"
  go mod tidy
  go build -tags netgo -ldflags "-s -w" -o "$fresh/registry" .
}

build_pause() { gcc -static -Os -s -o "$fresh/pause" "$CLUSTER_SCRIPTS/programs/pause.c"; }

# make_tool description builder program…: skipped when all its programs are there; whole or not at all.
make_tool() {
  local what=$1 builder=$2 program
  shift 2
  for program in "$@"; do
    [ -x "$bin/$program" ] && continue
    require_go
    mkdir -p "$fresh" "$bin"
    step "build $what" "$builder"
    mv -f "${@/#/$fresh/}" "$bin/"
    return
  done
}

make_tool "kind $KIND_VERSION" build_kind kind
make_tool "the image registry" build_registry registry
make_tool "helm $HELM_VERSION" build_helm helm
[ "${1:-all}" = all ] || exit 0
command -v gcc >/dev/null || install_packages "the pause image" gcc libc6-dev
make_tool "Kubernetes $KUBE_VERSION (the longest step)" build_kubernetes kubernetes
make_tool "containerd $CONTAINERD_VERSION" build_containerd containerd containerd-shim-runc-v2 ctr
make_tool "crictl $CRICTL_VERSION" build_crictl crictl
make_tool "CoreDNS $COREDNS_VERSION" build_coredns coredns
make_tool "CNI plugins $CNI_PLUGINS_VERSION" build_cni_plugins ptp loopback host-local portmap
make_tool "pause" build_pause pause
for program in kubectl kubeadm; do
  ln -sf kubernetes "$bin/$program"
done
