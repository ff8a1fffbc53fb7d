#!/usr/bin/env bash
# Versity's S3 gateway over a directory: ./versitygw.sh PORT [COMMAND…]; see
# serve.sh. It passes the whole suite.
set -euo pipefail
version=v1.8.0
port="${1:?usage: versitygw.sh PORT [COMMAND...]}"
shift
. "$(dirname "$0")/serve.sh"

home="$cache/versitygw-$version"
if [ ! -x "$home/versitygw" ]; then
  echo "building versitygw $version (a few minutes)" >&2
  mkdir -p "$home"
  # From outside the checkout, so that its go.mod has no say.
  (cd "$home" && GOFLAGS=-mod=mod GOBIN="$home" go install "github.com/versity/versitygw/cmd/versitygw@$version") >&2
fi

mkdir "$data/objects" "$data/versions"
export ROOT_ACCESS_KEY="$DCM_TEST_S3_ACCESS_KEY" ROOT_SECRET_KEY="$DCM_TEST_S3_SECRET"
SERVER=("$home/versitygw" --port "127.0.0.1:$port" --region eu-central-1 posix --versioning-dir "$data/versions" "$data/objects")
serve "http://127.0.0.1:$port" "$@"
