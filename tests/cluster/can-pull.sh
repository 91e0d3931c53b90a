# Sourced: whether the container engine can pull public images; decides between ordinary and home-made ones.
# HOROS_PULL=always or never skips the question.
# shellcheck shell=bash

can_pull() {
  case ${HOROS_PULL:-ask} in
    always) return 0 ;;
    never) return 1 ;;
  esac
  timeout 20 docker pull -q hello-world >/dev/null 2>&1
}
