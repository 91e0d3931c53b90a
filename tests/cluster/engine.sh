#!/usr/bin/env bash
# First step of the cluster: a container engine that answers. Uses the one there is; else starts a dockerd
# of our own whose data, socket and pid file live in the cache. Usage: engine.sh start|stop|status
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=progress.sh
. "$here/progress.sh"
# shellcheck source=env.sh
. "$here/env.sh"

engine=$HOROS_CACHE/engine
socket=$engine/docker.sock

answers() { command -v docker >/dev/null && timeout 20 docker version >/dev/null 2>&1; }

ours_runs() {
  local pid
  pid=$(cat "$engine/dockerd.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

require_packages() {
  local missing=()
  command -v dockerd >/dev/null && command -v runc >/dev/null || missing+=(docker.io)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v jq >/dev/null || missing+=(jq)
  [ ${#missing[@]} -eq 0 ] || install_packages "the container engine" "${missing[@]}"
}

# Bit 24 of the bounding set is CAP_SYS_RESOURCE.
lacks_sys_resource() {
  local bounding
  bounding=$(sed -n 's/^CapBnd:\t//p' /proc/self/status)
  (((16#$bounding >> 24 & 1) == 0))
}

write_config() {
  local runtime=""
  if lacks_sys_resource; then
    install -m 755 "$CLUSTER_SCRIPTS/engine/runc-without-sys-resource.sh" "$engine/runc-without-sys-resource"
    runtime="\"default-runtime\": \"runc-less\",
  \"runtimes\": {\"runc-less\": {\"path\": \"$engine/runc-without-sys-resource\"}},"
  fi
  cat >"$engine/daemon.json" <<JSON
{
  $runtime
  "hosts": ["unix://$socket"],
  "data-root": "$engine/data",
  "exec-root": "$engine/exec",
  "pidfile": "$engine/dockerd.pid",
  "log-level": "warn"
}
JSON
}

# The engine outlives its caller, whose locks (an open file each, that of up.sh among them) must not live on in it.
close_inherited() {
  local open
  for open in "/proc/$BASHPID/fd"/*; do
    open=${open##*/}
    # 255 is bash's own, and closed by it.
    [ "$open" -le 2 ] || [ "$open" -eq 255 ] || eval "exec $open>&-"
  done
}

run_engine() {
  close_inherited
  # A private containerd: one that the machine runs for others stays untouched.
  # Without our own programs on its PATH: the machine's containerd would run the shim of another version.
  PATH=${PATH//"$HOROS_TOOLS/bin:"/}:/usr/sbin:/sbin exec setsid dockerd --config-file "$engine/daemon.json"
}

launch() {
  run_engine >"$engine/dockerd.log" 2>&1 </dev/null &
  DOCKER_HOST=unix://$socket
  export DOCKER_HOST
  wait_until 60 docker version || {
    tail -n 20 "$engine/dockerd.log"
    return 1
  }
}

start() {
  if answers; then return; fi
  [ "$(id -u)" = 0 ] || die "no container engine answers, and only root can start one" \
    "Start Docker (systemctl start docker), set DOCKER_HOST, or run this as root."
  [ ${#socket} -le 100 ] || die "the path of the engine's socket is too long: $socket" \
    "Set HOROS_CACHE to a shorter folder."
  require_packages
  unset DOCKER_HOST
  # Installing the package may have started the machine's own engine.
  if answers; then return; fi
  mkdir -p "$engine"
  write_config
  # Leftovers of an engine that was killed would keep the next one from starting.
  ours_runs || rm -f "$engine/dockerd.pid" "$engine/exec/containerd/containerd.pid"
  on_failure="Its log is $engine/dockerd.log" step "start the container engine" launch
  echo "unix://$socket" >"$engine/address"
}

gone() { ! ours_runs; }

stop() {
  ours_runs || { rm -f "$engine/address"; return; }
  kill "$(cat "$engine/dockerd.pid")"
  step "stop the container engine" wait_until 60 gone
  rm -f "$engine/address"
}

case ${1:-start} in
  start) start ;;
  stop) stop ;;
  status)
    answers || die "no container engine answers" "Run tests/cluster/engine.sh start"
    say "engine: ${DOCKER_HOST:-the default one}, version $(docker version -f '{{.Server.Version}}')"
    ;;
  *) die "usage: engine.sh start|stop|status" ;;
esac
