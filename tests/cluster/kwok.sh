#!/usr/bin/env bash
# Prints the path of kwok, which plays nodes that do not exist; builds it into the cache the first time.
# It has a place of its own: in tools.sh a new version of it would rename everything that the cluster is made of.
# Usage: kwok.sh
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
version=0.8.0
place=$HOROS_CACHE/kwok/$version

build() {
  export GOBIN=$place.new
  go_install netgo "-X sigs.k8s.io/kwok/pkg/consts.Version=$version" "sigs.k8s.io/kwok@v$version" cmd/kwok
  mkdir -p "$place"
  mv -f "$GOBIN/kwok" "$place/kwok"
}

if [ ! -x "$place/kwok" ]; then
  require_go
  mkdir -p "$HOROS_CACHE/kwok"
  # Two at once would both build; the second waits and finds it.
  exec 9>"$HOROS_CACHE/kwok/lock"
  flock 9
  [ -x "$place/kwok" ] || step "build kwok $version" build >&2
fi
echo "$place/kwok"
