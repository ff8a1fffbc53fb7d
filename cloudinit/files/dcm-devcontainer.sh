#!/bin/sh
# Installs what dev containers need (Docker with buildx, Node.js, the dev
# container CLI), and only what is missing: on a prepared image it runs
# nothing.
set -eu

# The last version that runs on the Node.js 18 of Ubuntu 24.04.
cli=@devcontainers/cli@0.83.0

packages=
if ! command -v docker >/dev/null 2>&1; then
	packages="$packages docker.io docker-buildx"
fi
if ! command -v devcontainer >/dev/null 2>&1 && ! command -v npm >/dev/null 2>&1; then
	packages="$packages nodejs npm"
fi

if [ -n "$packages" ]; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q -o DPkg::Lock::Timeout=300 update
	# Debian 13 has the command in a package of its own; Ubuntu has no such package.
	case $packages in
	*docker.io*) ! apt-cache show docker-cli >/dev/null 2>&1 || packages="$packages docker-cli" ;;
	esac
	# One word per package, all of them named above.
	# shellcheck disable=SC2086
	apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages
fi
if ! command -v devcontainer >/dev/null 2>&1; then
	npm install --global --no-audit --no-fund "$cli"
fi
