#!/usr/bin/env bash
# Usage: each.sh BINARY AT_ONCE BUT ALONE
#
# Runs all tests of a test binary but those that match BUT, each in a process that
# the command ALONE gives a network of its own, so many at once: there can be one
# world in a network. What each has to say comes out whole, in the order in which
# they end.
set -euo pipefail

binary=$(realpath "$1")
at_once=$2
but=$3
alone=$4
cd "$(dirname "$0")"

one() {
  local log code=0
  log=$(mktemp)
  # shellcheck disable=SC2086 # a command with its words
  $alone "$binary" -test.count=1 -test.v -test.timeout 8m -test.run "^$1\$" >"$log" 2>&1 || code=$?
  # A name that is no test's would pass.
  grep -q "^--- PASS: $1 " "$log" || code=${code/#0/1}
  cat "$log"
  rm -f "$log"
  return "$code"
}
export -f one
export binary alone
tests=$("$binary" -test.list . | grep -vE "^($but)\$")
xargs -P "$at_once" -I{} bash -c 'one {}' <<<"$tests"
