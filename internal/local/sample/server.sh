#!/bin/sh
# Serves public/ on a port (3000), with whatever this machine has.
set -eu
port=${1:-3000}
cd "$(dirname "$0")"
echo "serving public/ on port $port"
if command -v python3 >/dev/null 2>&1; then
	exec python3 -m http.server --bind 127.0.0.1 --directory public "$port"
fi
if command -v busybox >/dev/null 2>&1; then
	exec busybox httpd -f -p "127.0.0.1:$port" -h public
fi
program=$(mktemp -d)/serve.go
cat >"$program" <<'GO'
package main

import (
	"net/http"
	"os"
)

func main() {
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], http.FileServer(http.Dir("public"))))
}
GO
exec go run "$program" "$port"
