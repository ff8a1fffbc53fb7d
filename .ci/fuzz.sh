#!/usr/bin/env bash
# Runs every fuzz target of the module for a while: .ci/fuzz.sh [5s]
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-5s}

count=0
while IFS=: read -r file name; do
  package=./$(dirname "$file")
  echo "fuzz $package $name"
  # A worker that is stopped at the end of its time now and then reports that
  # as a failure; a real one leaves its input behind.
  if ! go test -run '^$' -fuzz "^$name\$" -fuzzminimizetime 10x -fuzztime "$each" "$package" >/tmp/fuzz.$$ 2>&1; then
    if grep -q 'context deadline exceeded' /tmp/fuzz.$$ && ! grep -q 'Failing input written' /tmp/fuzz.$$; then
      continue
    fi
    cat /tmp/fuzz.$$
    exit 1
  fi
  count=$((count + 1))
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' /dev/null | sed 's/:func /:/')
rm -f /tmp/fuzz.$$
echo "$count fuzz targets found nothing"
