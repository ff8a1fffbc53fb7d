#!/bin/sh
# Installs what the agent cannot work without, and only what is missing: on a
# usual image it runs nothing.
set -eu

packages=
need() {
	command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}
need curl curl
need git git
need ssh openssh-client
if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
	packages="$packages ca-certificates"
fi
if [ -z "$packages" ]; then
	exit 0
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
# One word per package, all of them named above.
# shellcheck disable=SC2086
apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages
