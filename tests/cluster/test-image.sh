#!/usr/bin/env bash
# Builds the image of a folder, by default tests/e2e/tools, on top of an agent image (the Dockerfile's AGENT_IMAGE),
# brings it into the cluster, prints its name.
# Usage: test-image.sh AGENT_IMAGE [FOLDER]
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=progress.sh
. "$here/progress.sh"
# shellcheck source=env.sh
. "$here/env.sh"
# shellcheck source=registry.sh
. "$here/registry.sh"

agent=$1
certificates=/etc/ssl/certs/ca-certificates.crt
folder=${2:-$here/../e2e/tools}

# The same bytes for the same content.
archive() {
  tar -c -C "$folder" --sort=name --mtime=@0 --owner=0 --group=0 --mode=u=rwX,go=rX \
    --exclude=__pycache__ --exclude='*.pyc' .
}

# The host's certificates reach a builder stage that asks for them, never an image.
build() {
  local context
  context=$(mktemp -d)
  archive | tar -x -C "$context"
  [ ! -r $certificates ] || cp $certificates "$context/host-ca.crt"
  tar -c -C "$context" . | DOCKER_BUILDKIT=0 docker build -q "${arguments[@]}" -t "$image" - >/dev/null
  rm -rf "$context"
}

arguments=(--build-arg "AGENT_IMAGE=$agent")
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL; do
  [ -z "${!name:-}" ] || arguments+=(--build-arg "$name")
done
image=horos/test-tools:$( (echo "$agent" && archive) | sha256sum | cut -c1-16)
exec 9>"$HOROS_CACHE/images.lock"
flock 9
docker image inspect "$image" >/dev/null 2>&1 || build
mapfile -t missing < <(missing_on_nodes "$image")
[ ${#missing[@]} -eq 0 ] || distribute "${missing[@]}" >/dev/null
echo "$image"
