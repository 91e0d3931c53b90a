#!/usr/bin/env bash
# Builds the product's images, tags each by the content of what it is made of, loads into the cluster's nodes
# what they lack, and writes the references to .cluster/images.yaml (for helm) and .cluster/images.env.
# Usage: images.sh (after up.sh)
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=progress.sh
. "$here/progress.sh"
# shellcheck source=env.sh
. "$here/env.sh"
# shellcheck source=registry.sh
. "$here/registry.sh"

project=$(cd "$here/../.." && pwd)
certificates=/etc/ssl/certs/ca-certificates.crt
targets=(agent operator model redis)

# What an image is made of; another file does not change its tag.
inputs() {
  case $1 in
    agent | operator) echo Dockerfile pyproject.toml uv.lock README.md operator agent_image ;;
    model) echo Dockerfile pyproject.toml uv.lock operator/horos_model ;;
    redis) echo Dockerfile redis_image ;;
  esac
}

# archive folder path…: the same bytes for the same content, whenever and whoever.
archive() {
  tar -c -C "$1" --sort=name --mtime=@0 --owner=0 --group=0 --mode=u=rwX,go=rX \
    --exclude=__pycache__ --exclude='*.pyc' "${@:2}"
}

# The build and the tags see one state of the sources, whatever is edited meanwhile.
take_snapshot() {
  mkdir "$snapshot"
  archive "$project" Dockerfile .dockerignore pyproject.toml uv.lock README.md operator agent_image redis_image |
    tar -x -C "$snapshot"
  # The host's certificates reach the builder stages of the Dockerfile, never an image.
  [ ! -r $certificates ] || cp $certificates "$snapshot/host-ca.crt"
}

reference() {
  # shellcheck disable=SC2046  # one argument per path
  echo "horos/$1:$( (echo "$base" && archive "$snapshot" $(inputs "$1")) | sha256sum | cut -c1-16)"
}

present() { docker image inspect "$1" >/dev/null 2>&1; }

build() {
  local target=$1 image=$2 name arguments=()
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL UV_DEFAULT_INDEX; do
    [ -z "${!name:-}" ] || arguments+=(--build-arg "$name")
  done
  archive "$snapshot" . | DOCKER_BUILDKIT=0 docker build --target "$target" -f Dockerfile \
    --build-arg "BASE_IMAGE=$base" "${arguments[@]}" -t "$image" -
}

write_references() {
  local target
  mkdir -p "$project/.cluster"
  {
    echo "images:"
    for target in "${!images[@]}"; do echo "  $target: ${images[$target]}"; done | sort
  } >"$project/.cluster/images.yaml"
  for target in "${!images[@]}"; do echo "HOROS_IMAGE_${target^^}=${images[$target]}"; done |
    sort >"$project/.cluster/images.env"
}

"$here/engine.sh" status 2>/dev/null || die "no container engine answers" "Run tests/cluster/up.sh first."
exec 9>"$HOROS_CACHE/images.lock"
flock 9

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
snapshot=$work/sources
take_snapshot
base=$("$here/base-image.sh")
declare -A images
for target in "${targets[@]}"; do
  images[$target]=$(reference "$target")
  present "${images[$target]}" || step "build ${images[$target]}" build "$target" "${images[$target]}"
  docker tag "${images[$target]}" "horos/$target:dev"
done
mapfile -t missing < <(missing_on_nodes "${images[@]}")
[ ${#missing[@]} -eq 0 ] ||
  step "bring ${#missing[@]} images into the cluster" distribute "${missing[@]}"
write_references
cat "$project/.cluster/images.yaml"
