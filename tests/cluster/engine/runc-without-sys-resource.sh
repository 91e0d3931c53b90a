#!/bin/sh
# runc for machines whose capability bounding set lacks CAP_SYS_RESOURCE: a privileged container asks
# for every capability and runc fails with "unable to apply caps". This drops that one and calls runc.
previous=
for argument in "$@"; do
  case $previous in
    --bundle | -b) file=$argument/config.json process=.process ;;
    --process | -p) file=$argument process= ;;
  esac
  previous=$argument
done
if [ -n "${file:-}" ] && grep -q CAP_SYS_RESOURCE "$file" 2>/dev/null; then
  jq -c "(${process}.capabilities | select(. != null)) |=
    with_entries(.value |= map(select(. != \"CAP_SYS_RESOURCE\")))" "$file" >"$file.less" &&
    cat "$file.less" >"$file"
  rm -f "$file.less"
fi
exec runc "$@"
