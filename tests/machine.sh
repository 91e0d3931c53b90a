#!/usr/bin/env bash
# What the tests need on the machine besides the cluster: uv (in the cache, not on the machine), redis-server,
# Chromium for tests/console, and git and the MCP servers of tests/mcp (those in the cache).
# Prints the path of uv as its last line. Usage: tests/machine.sh [uv]; with uv, nothing but that.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=cluster/progress.sh
. "$here/cluster/progress.sh"
# shellcheck source=cluster/env.sh
. "$here/cluster/env.sh"
uv_version=0.13.9

install_uv() {
  rm -rf "$HOROS_CACHE/uv.new"
  python3 -m venv "$HOROS_CACHE/uv.new"
  "$HOROS_CACHE/uv.new/bin/python" -m pip install -q "uv==$uv_version"
  rm -rf "$HOROS_CACHE/uv"
  mv "$HOROS_CACHE/uv.new" "$HOROS_CACHE/uv"
}

needs=()
if [ "${1:-}" != uv ]; then
  command -v redis-server >/dev/null || needs+=(redis-server)
  command -v chromedriver >/dev/null || needs+=(chromium chromium-driver)
  command -v git >/dev/null || needs+=(git)
fi
command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null || needs+=(python3-venv)
[ ${#needs[@]} -eq 0 ] || install_packages "the tests" "${needs[@]}"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "Python 3.11 or newer is needed; $(command -v python3) is $(python3 -V)" "Install it and put it first on PATH."

if ! "$HOROS_CACHE/uv/bin/uv" --version 2>/dev/null | grep -qF "$uv_version"; then
  mkdir -p "$HOROS_CACHE"
  step "install uv $uv_version into the cache" install_uv
fi
[ "${1:-}" = uv ] || "$here/mcp/install.sh" >/dev/null
echo "$HOROS_CACHE/uv/bin/uv"
