#!/usr/bin/env bash
# Prints the image that the product's images are built on: the official slim Python where it can be pulled,
# else a small Debian with Python, made here once. Usage: base-image.sh
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=progress.sh
. "$here/progress.sh"
# shellcheck source=env.sh
. "$here/env.sh"
# shellcheck source=versions.env
. "$here/versions.env"
# shellcheck source=debian-image.sh
. "$here/debian-image.sh"
# shellcheck source=can-pull.sh
. "$here/can-pull.sh"

present() { docker image inspect "$1" >/dev/null 2>&1; }

key=$(cat "$here/base-image.sh" "$here/debian-image.sh" <(echo "$DEBIAN_SUITE") | sha256sum | cut -c1-16)
home_made=horos-base:$key

if present "$home_made"; then
  echo "$home_made"
elif present "$PYTHON_IMAGE"; then
  echo "$PYTHON_IMAGE"
elif can_pull; then
  step "pull $PYTHON_IMAGE" docker pull -q "$PYTHON_IMAGE"
  echo "$PYTHON_IMAGE"
else
  require_debian_builder
  step "build the base image: Debian $DEBIAN_SUITE with Python" \
    import_debian "$home_made" apt python3,ca-certificates
  echo "$home_made"
fi
