# Usage: launch ROOT NAME SEED [OPTION…]
#
# Boots the disk at ROOT in a container, whose cloud-init gets its data at SEED,
# with further options of systemd-nspawn. It runs in a network namespace of its
# own, into which the guest's network interface will come, and in a mount
# namespace of its own.
set -eu
root=$1
name=$2
seed=$3
shift 3

ip link set lo up
# The whole kernel's /sys would show the container this machine's devices, and
# while it may be written to, systemd in it would wait for udev.
mount -t sysfs -o ro sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
tries=0
until ip link show dev host0 >/dev/null 2>&1; do
	tries=$((tries + 1))
	if [ "$tries" -gt 500 ]; then
		echo "launch: no network interface came" >&2
		exit 1
	fi
	sleep 0.02
done
exec systemd-nspawn --quiet --directory="$root" --machine="$name" --register=no --keep-unit \
	--network-interface=host0 --link-journal=no --resolv-conf=off --timezone=off --console=pipe "$@" \
	--boot quiet systemd.log_level=notice "ds=nocloud;s=$seed"
