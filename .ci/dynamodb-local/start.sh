#!/usr/bin/env bash
# Starts Amazon's DynamoDB Local in memory on 127.0.0.1 and stays in the
# foreground; ending this process ends it (it is replaced by java). When it is
# ready, its endpoint is the one line on standard output.
#
#   .ci/dynamodb-local/start.sh [port]        (default 8000)
#
# The jars come from Maven, pinned by pom.xml, into $DYNAMODB_LOCAL_CACHE
# (default ~/.cache/devcontainer-manager/dynamodb-local): the first start
# needs a minute and a registry, later ones neither. Needs a JDK 17 and mvn.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=${1:-8000}
cache=${DYNAMODB_LOCAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/devcontainer-manager/dynamodb-local}
version=$(sed -n '/<artifactId>DynamoDBLocal/,/<\/dependency>/s/.*<version>\(.*\)<\/version>.*/\1/p' "$here/pom.xml")
lib=$cache/$version

if [ ! -e "$lib/complete" ]; then
  echo "fetching DynamoDB Local $version into $lib" >&2
  mkdir -p "$lib"
  mvn -B -q -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$lib" >&2
  touch "$lib/complete"
fi

# Watches from the background, so that this process itself can become java.
(
  for _ in $(seq 1 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "http://127.0.0.1:$port"
      exit
    fi
    kill -0 $$ 2>/dev/null || exit
    sleep 0.2
  done
  echo "DynamoDB Local did not answer on port $port within a minute" >&2
) &

# DynamoDB Local reports its use to Amazon unless told not to.
export DDB_LOCAL_TELEMETRY=0
exec java -Xmx512m -Djava.library.path="$lib" -cp "$lib/*" "$here/Loopback.java" \
  -inMemory -sharedDb -disableTelemetry -port "$port" >&2
