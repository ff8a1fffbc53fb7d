#!/bin/sh
# Installs what dev containers need (Docker with buildx and Compose, Node.js, the dev
# container CLI), and only what is missing: on a prepared image it runs
# nothing.
set -eu

# The last version that runs on the Node.js 18 of Ubuntu 24.04.
cli=@devcontainers/cli@0.83.0

offered() {
	apt-cache show "$1" >/dev/null 2>&1
}

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
	case $packages in
	*docker.io*)
		# Debian 13 has the command in a package of its own, and calls Compose
		# what elsewhere is its predecessor.
		if offered docker-cli; then
			packages="$packages docker-cli docker-compose"
		elif offered docker-compose-v2; then
			packages="$packages docker-compose-v2"
		fi
		;;
	esac
	# One word per package, all of them named above.
	# shellcheck disable=SC2086
	apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages
fi
if ! command -v devcontainer >/dev/null 2>&1; then
	npm install --global --no-audit --no-fund "$cli"
fi
