#!/usr/bin/env bash
# Usage: each.sh BINARY AT_ONCE TEST…
#
# Runs these tests of a test binary, each in a process with a network of its own,
# so many at once: there can be one world in a network. What each has to say comes
# out whole, in the order in which they end.
set -euo pipefail

binary=$(realpath "$1")
at_once=$2
shift 2
cd "$(dirname "$0")"

one() {
  local log code=0
  log=$(mktemp)
  unshare --net --mount --pid --fork --kill-child --mount-proc \
    "$binary" -test.count=1 -test.v -test.timeout 8m -test.run "^$1\$" >"$log" 2>&1 || code=$?
  # A name that is no test's would pass.
  grep -q "^--- PASS: $1 " "$log" || code=${code/#0/1}
  cat "$log"
  rm -f "$log"
  return "$code"
}
export -f one
export binary
printf '%s\n' "$@" | xargs -P "$at_once" -I{} bash -c 'one {}'
