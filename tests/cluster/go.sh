# Sourced by tools.sh: a Go toolchain that is new enough, with its downloads and objects in our cache.
# shellcheck shell=bash disable=SC2153  # the versions come from versions.env

require_go() {
  local found
  command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
  found=$(go env GOVERSION 2>/dev/null) || die "Go $GO_MINIMUM or newer is needed to build the cluster's programs" \
    "Unpack the archive from https://go.dev/dl/ into /usr/local (Debian's golang package is too old)."
  printf '%s\n%s\n' "$GO_MINIMUM" "${found#go}" | sort -V -C ||
    die "Go $GO_MINIMUM or newer is needed to build the cluster's programs; $(command -v go) is $found" \
      "Unpack a newer archive from https://go.dev/dl/ into /usr/local and put /usr/local/go/bin first on PATH."
  export GOMODCACHE=$HOROS_CACHE/go/mod GOCACHE=$HOROS_CACHE/go/build
  # A writable module cache can be removed with a plain rm -rf.
  export GOFLAGS="-modcacherw -buildvcs=false -trimpath" CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=local
}

# go_install tags ldflags module@version package…: the packages of a module, into $GOBIN.
go_install() {
  local tags=$1 ldflags="-s -w $2" module=$3 package
  shift 3
  for package in "$@"; do
    go install -tags "$tags" -ldflags "$ldflags" "${module%@*}${package:+/$package}@${module#*@}"
  done
}

# go_module folder: a fresh module of our own that can pin and replace what it builds.
go_module() {
  rm -rf "$1"
  mkdir -p "$1"
  cd "$1" || return
  go mod init example.invalid/horos-cluster
}
