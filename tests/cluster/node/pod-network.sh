#!/bin/bash
# Runs in each node instead of a CNI daemon: hands this node's podCIDR to the CNI plugins, masquerades what
# leaves the pod network, and keeps the routes to the other nodes, which up.sh lists in /kind/peers.
set -euo pipefail

pod_cidr() {
  kubectl --kubeconfig /etc/kubernetes/kubelet.conf get node "$(hostname)" -o jsonpath='{.spec.podCIDR}' 2>/dev/null
}

until cidr=$(pod_cidr) && [ -n "$cidr" ]; do sleep 0.3; done

nft -f - <<'RULES'
table ip pod_masquerade
delete table ip pod_masquerade
table ip pod_masquerade {
  chain post {
    type nat hook postrouting priority srcnat
    ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 oifname eth0 masquerade
  }
}
RULES

mkdir -p /etc/cni/net.d
cat >/etc/cni/net.d/.new <<CONFIG
{"cniVersion": "1.0.0", "name": "ptp", "plugins": [
  {"type": "ptp", "ipMasq": false, "mtu": 1500,
   "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam-state",
            "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "$cidr"}]]}},
  {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": true}}]}
CONFIG
mv /etc/cni/net.d/.new /etc/cni/net.d/10-ptp.conflist

# Nodes may come back with other addresses after a restart, so names are looked up again and again.
while true; do
  if [ -f /kind/peers ]; then
    while read -r name peer_cidr; do
      address=$(getent ahostsv4 "$name" | head -n 1 | cut -d' ' -f1) || continue
      [ -z "$address" ] || ip route replace "$peer_cidr" via "$address" || true
    done </kind/peers
  fi
  sleep 2
done
