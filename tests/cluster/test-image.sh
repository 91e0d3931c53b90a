#!/usr/bin/env bash
# Builds the image of tests/e2e/tools on top of an agent image, brings it into the cluster, prints its name.
# Usage: test-image.sh AGENT_IMAGE
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=progress.sh
. "$here/progress.sh"
# shellcheck source=env.sh
. "$here/env.sh"
# shellcheck source=registry.sh
. "$here/registry.sh"

agent=$1
folder=$here/../e2e/tools
image=horos/test-tools:$( (echo "$agent" && cat "$folder"/*) | sha256sum | cut -c1-16)
exec 9>"$HOROS_CACHE/images.lock"
flock 9
docker image inspect "$image" >/dev/null 2>&1 ||
  tar -c -C "$folder" . | DOCKER_BUILDKIT=0 docker build -q --build-arg "AGENT=$agent" -t "$image" - >/dev/null
mapfile -t missing < <(missing_on_nodes "$image")
[ ${#missing[@]} -eq 0 ] || distribute "${missing[@]}" >/dev/null
echo "$image"
