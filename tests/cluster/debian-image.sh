# Sourced: makes a container image from Debian packages where no image can be pulled.
# shellcheck shell=bash disable=SC2153  # DEBIAN_SUITE comes from versions.env

# import_debian tag variant package[,package…]: a minimal Debian with these packages becomes an image.
import_debian() {
  local tag=$1 variant=$2 packages=$3 proxy archive options=()
  proxy=$(apt-config dump Acquire::http::Proxy | sed -n 's/.*"\(.*\)";/\1/p')
  [ -z "$proxy" ] || options+=(--aptopt="Acquire::http::Proxy \"$proxy\"")
  archive=$(mktemp "$HOROS_CACHE/debian.XXXXXX")
  mmdebstrap --quiet --variant="$variant" --include="$packages" "${options[@]}" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --format=tar "$DEBIAN_SUITE" - ${HOROS_DEBIAN_MIRROR:+"$HOROS_DEBIAN_MIRROR"} >"$archive"
  docker import "$archive" "$tag"
  rm -f "$archive"
}

# require_debian_builder: the program that import_debian needs, and the right to run it.
require_debian_builder() {
  command -v mmdebstrap >/dev/null || install_packages "an image made of Debian packages" mmdebstrap
  [ -f /usr/share/keyrings/debian-archive-keyring.gpg ] ||
    install_packages "an image made of Debian packages" debian-archive-keyring
  [ "$(id -u)" = 0 ] || die "an image made of Debian packages needs root" \
    "Run this as root, or make image pulls possible (HOROS_PULL=always shows why they fail)."
}
