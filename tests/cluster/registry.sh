# Sourced by images.sh: brings images from the engine into the cluster's nodes, only the layers they lack.
# shellcheck shell=bash

registry=horos-registry

# One container beside the nodes; the engine pushes to it over loopback.
start_registry() {
  [ -z "$(docker ps -q --filter "name=^$registry\$")" ] || return 0
  docker rm -f -v $registry >/dev/null 2>&1 || true
  tar -c -C "$HOROS_TOOLS/bin" registry | docker import -c 'ENTRYPOINT ["/registry"]' - $registry
  docker run -d --name $registry --network kind -p 127.0.0.1::5000 --tmpfs /tmp $registry
}

cluster_nodes() { kind get nodes --name "$HOROS_CLUSTER" 2>/dev/null; }

# missing_on_nodes image…: prints those that at least one node lacks.
missing_on_nodes() {
  local node image stored
  for node in $(cluster_nodes); do
    stored=$(docker exec "$node" ctr -n k8s.io images ls -q 2>/dev/null)
    for image in "$@"; do
      grep -qxF "docker.io/$image" <<<"$stored" || echo "$image"
    done
  done | sort -u
}

push() {
  local pushed
  pushed=$(docker port $registry 5000 | head -n 1)/$1
  docker tag "$1" "$pushed"
  docker push -q "$pushed"
  docker rmi "$pushed"
}

# pull_on node image…: in the node, under the name that pods use.
pull_on() {
  local node=$1 image
  shift
  for image in "$@"; do
    docker exec "$node" ctr -n k8s.io images pull --plain-http "$registry:5000/$image"
    docker exec "$node" ctr -n k8s.io images tag --force "$registry:5000/$image" "docker.io/$image"
    docker exec "$node" ctr -n k8s.io images rm "$registry:5000/$image"
  done
}

# distribute image…: to all nodes at the same time; the registry is up only as long as there are clusters.
distribute() {
  local image node pulls=() pull
  start_registry
  for image in "$@"; do push "$image"; done
  for node in $(cluster_nodes); do
    pull_on "$node" "$@" &
    pulls+=($!)
  done
  for pull in "${pulls[@]}"; do wait "$pull"; done
}
