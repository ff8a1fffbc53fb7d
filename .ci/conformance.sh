#!/usr/bin/env bash
# Runs the adapters' suites against what Amazon and others made of the same
# services, to keep our own stand-ins honest.
set -euo pipefail
cd "$(dirname "$0")/.."

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

echo "DynamoDB Local"
work=$(mktemp -d)
.ci/dynamodb-local/start.sh "$(free_port)" >"$work/endpoint" 2>"$work/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 1 600); do
  [ -s "$work/endpoint" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.5
done
[ -s "$work/endpoint" ] || { cat "$work/log" >&2; exit 1; }
DCM_TEST_DYNAMODB_ENDPOINT=$(head -n1 "$work/endpoint") go test -count=1 ./internal/store/... ./internal/local/dynamodb/...
# Of the matrix, the cases of calls to the table: every ${MATRIX_STRIDE:-21}st of them.
DCM_MATRIX_STRIDE=${MATRIX_STRIDE:-21} DCM_MATRIX_TABLE=$work/table DCM_TEST_DYNAMODB_ENDPOINT=$(head -n1 "$work/endpoint") \
  go test -count=1 -parallel 8 -run TestMatrix ./internal/api || { cat "$work/table"; exit 1; }
tail -n1 "$work/table"
kill "$server" && wait "$server" 2>/dev/null || true

echo "moto"
.ci/s3/moto.sh "$(free_port)" go test -count=1 ./internal/storage/...
echo "versitygw"
.ci/s3/versitygw.sh "$(free_port)" go test -count=1 ./internal/storage/...
