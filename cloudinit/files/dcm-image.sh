#!/bin/sh
# Usage: dcm-image ROOT
#
# Makes this server one that VMs' images are taken of: with all that a VM needs,
# and nothing that is one machine's own. Then it powers off, which says that it is
# done; if something fails, it stays on. ROOT is / but in tests.
set -eu

root=${1%/}
tools=$root/usr/local/lib/dcm-image
download=$root/etc/dcm-image

# again COMMAND... tries until it works: mirrors and registries have bad minutes.
again() {
	attempt=1
	until "$@"; do
		echo "dcm-image: attempt $attempt of 5 failed: $*" >&2
		[ "$attempt" -lt 5 ] || exit 1
		attempt=$((attempt + 1))
		sleep 15
	done
}

fill() {
	again "$tools/packages"
	again "$tools/devcontainer"
	"$tools/install" "$download" "$root/usr/local/bin/dcm-agent"
	if [ -s "$tools/base-image" ]; then
		again docker pull --quiet "$(cat "$tools/base-image")"
	fi
}

# clean leaves no key, no id, no secret and no trace of this boot. cloud-init
# then takes the next one for the first.
clean() {
	apt-get -q clean
	cloud-init clean --logs
	journalctl --quiet --relinquish-var
	passwd --quiet --lock root
	rm -rf "$root/var/lib/cloud" "$root/var/log/journal" "$root/var/lib/apt/lists" "$root/root/.npm" \
		"$root/root/.cache" "$root/root/.ssh" "$root/root/.bash_history" "$download"
	rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/netplan/50-cloud-init.yaml" "$root/etc/docker/key.json" \
		"$root/var/lib/docker/engine-id" "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed" \
		"$root/var/lib/systemd/credential.secret" "$root/etc/hostname"
	rm -rf "$root"/var/lib/dhcp/* "$root"/tmp/* "$root"/var/tmp/*
	find "$root/var/log" -type f -exec rm -f {} +
	: >"$root/etc/machine-id"
	mkdir -p "$root/var/log/journal" "$root/var/lib/apt/lists"
	rm -rf "$tools" "$root/etc/systemd/system/dcm-image.service"
}

# All of it is read before any of it is deleted.
main() {
	fill
	# What has the engine's files open ends first.
	systemctl stop docker.socket docker.service containerd.service
	# On a VM it starts when it is asked for: the agent, which goes down before it,
	# would come up after it.
	systemctl --quiet disable docker.service containerd.service
	systemctl --quiet enable docker.socket
	clean
	sync
	systemctl --no-block poweroff
}

main
exit
