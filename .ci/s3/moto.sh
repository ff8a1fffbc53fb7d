#!/usr/bin/env bash
# moto's S3: ./moto.sh PORT [COMMAND…]; see serve.sh.
# moto checks no signature, expiry or checksum: what it lacks is named in
# internal/storage/backends_test.go.
set -euo pipefail
version=5.2.5
port="${1:?usage: moto.sh PORT [COMMAND...]}"
shift
. "$(dirname "$0")/serve.sh"

home="$cache/moto-$version"
if [ ! -x "$home/bin/moto_server" ]; then
  echo "installing moto $version" >&2
  rm -rf "$home"
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check "moto[server]==$version" >&2
fi

SERVER=("$home/bin/moto_server" -H 127.0.0.1 -p "$port")
serve "http://127.0.0.1:$port" "$@"
