# Sourced by every script here: one line per step on stderr with its time at the end, errors that say what to do.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# step "what is done" command…: runs the command with its output kept back; a failure prints it and ends
# the script. Never call it in a condition (step … ||): bash would go on after errors inside the command.
step() {
  local what=$1 start=$SECONDS status log
  shift
  log=$(mktemp)
  printf '  %-60s ' "$what" >&2
  set +e
  (set -e; "$@") >"$log" 2>&1
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    printf 'failed after %d s\n' $((SECONDS - start)) >&2
    tail -n 40 "$log" >&2
    rm -f "$log"
    die "could not $what" "${on_failure:-Run the same command again: what was finished is kept.}"
  fi
  rm -f "$log"
  printf '%4d s\n' $((SECONDS - start)) >&2
}

# wait_until seconds command…: polls until the command succeeds; fails when the time is over.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# install_packages what-for package…: says what it is going to install on this machine, then does it.
install_packages() {
  local reason=$1
  shift
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "$reason needs these Debian packages: $*" "Install them (apt-get install $*), or run this as root."
  fi
  say "Installing for $reason: $*"
  step "apt-get update" apt-get update -q
  step "apt-get install $*" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "$@"
}
