# Sourced by moto.sh and versitygw.sh.
#
# serve ENDPOINT COMMAND…: runs the server given by SERVER (an array) in the
# background. Without a command it prints the endpoint when the server answers
# and stays until it is ended. With one it runs that, with DCM_TEST_S3_* set,
# and ends the server after it. Whatever happens, no process stays behind.

server=
cache="${DCM_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/devcontainer-manager/s3}"
data="$(mktemp -d)"
export DCM_TEST_S3_ACCESS_KEY=AKIACONFORMANCE
export DCM_TEST_S3_SECRET=conformance-secret

serve() {
  local endpoint="$1"
  shift
  if (exec 3<>"/dev/tcp/127.0.0.1/${endpoint##*:}") 2>/dev/null; then
    echo "port ${endpoint##*:} is in use" >&2
    rm -rf "$data"
    return 1
  fi
  "${SERVER[@]}" >"$data/log" 2>&1 &
  server=$!
  trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$data"' EXIT
  trap 'exit 143' TERM INT
  for _ in $(seq 150); do
    if ! kill -0 "$server" 2>/dev/null; then
      echo "the server ended:" >&2
      cat "$data/log" >&2
      return 1
    fi
    if curl --silent --output /dev/null --max-time 2 "$endpoint/"; then
      export DCM_TEST_S3_ENDPOINT="$endpoint"
      if [ $# -eq 0 ]; then
        echo "$endpoint"
        wait "$server"
        return
      fi
      local code=0
      "$@" || code=$?
      return "$code"
    fi
    sleep 0.2
  done
  echo "the server does not answer at $endpoint:" >&2
  cat "$data/log" >&2
  return 1
}
