#!/usr/bin/env bash
# Runs a test command with the cluster up, the images loaded and KUBECONFIG set: first what needs no cluster, in two
# processes, then what needs one. Where no container engine can run, the cluster's tests are skipped and the last line
# says so; with CI=true that is a failure.
# Usage: tests/with-cluster.sh pytest…
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=cluster/progress.sh
. "$here/cluster/progress.sh"

failed=0
# Paths that hold none of a part's tests (exit code 5) are no failure of it.
part() { "$@" || [ $? -eq 5 ] || failed=1; }

if "$here/cluster/engine.sh" start; then
  "$here/cluster/up.sh"
  "$here/cluster/images.sh" >/dev/null
  # shellcheck source=cluster/env.sh
  . "$here/cluster/env.sh"
  part "$@" -n 2 -m "not cluster"
  part "$@" -m cluster
  exit "$failed"
fi
[ "${CI:-}" != true ] || die "no container engine can run here, and with CI=true the cluster's tests may not be skipped"
part "$@" -n 2 -m "not cluster"
say "SKIPPED: every test that needs a cluster, because no container engine can run here."
exit "$failed"
