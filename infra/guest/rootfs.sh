#!/usr/bin/env bash
# Usage: rootfs.sh CACHE [vm|engine]
#
# Makes the disk that guests boot from, and prints its directory. It is a
# prepared image: everything our user-data needs is in it. It is named after
# what it is made of, this file, so that a change makes another. Beside it lies
# a tar.zst of it, to carry to another machine.
#
# With vm it has a kernel too, which a container needs none of, and what is
# printed is a directory with that kernel (vmlinuz) and the disk as an ext4 file
# system (disk.ext4).
#
# With engine it has Docker and the dev container CLI too. Beside it then lies
# the one layer of a container image, layer.tar, which knows nothing of either.
#
# Needs root, mmdebstrap and zstd, for engine npm, and Debian's mirror the first
# time.
set -euo pipefail

cache=$1
kind=${2:-guest}
release=trixie
mirror=http://deb.debian.org/debian
packages=(
  systemd systemd-sysv systemd-resolved libpam-systemd dbus
  cloud-init openssh-server git curl openssh-client ca-certificates
  nftables iproute2 iputils-ping netbase procps sudo passwd less
)

if [ "$kind" = vm ]; then
  packages+=(linux-image-cloud-amd64 tiny-initramfs udev kmod e2fsprogs)
fi

made_of=("$0")
if [ "$kind" = engine ]; then
  packages+=(docker.io docker-cli docker-buildx docker-compose nodejs)
  # The CLI is of the version that user-data would install.
  installer=$(dirname "$0")/../../cloudinit/files/dcm-devcontainer.sh
  cli=$(sed -n 's/^cli=//p' "$installer")
  made_of+=("$installer")
fi

key=$(cat "${made_of[@]}" | sha256sum | cut -c1-12)
archive=$cache/$kind-$release-$key.tar.zst
disk=$cache/$kind-$release-$key

[ "$(id -u)" = 0 ] || { echo "rootfs.sh: needs root, to make device files and owners" >&2; exit 1; }
for tool in mmdebstrap zstd ${cli:+npm}; do
  command -v "$tool" >/dev/null || { echo "rootfs.sh: needs $tool (apt-get install $tool)" >&2; exit 1; }
done

# debian VARIANT PACKAGES TARGET makes a Debian, without what nobody reads.
debian() {
  mmdebstrap --quiet --variant="$1" --include="$2" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$release" "$3" "$mirror" >&2
}

# prepare changes the disk at $1 from what a package leaves to what an image
# has: nothing of one machine's own, nothing that runs by the clock.
prepare() {
  # networkd brings the network up; without it cloud-init waits in vain.
  systemctl --quiet --root="$1" enable systemd-networkd.service systemd-resolved.service
  systemctl --quiet --root="$1" mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    fstrim.timer e2scrub_all.timer getty.target console-getty.service
  rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/resolv.conf "$1"/etc/hostname
  ln -s ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"
  : >"$1/etc/machine-id"
  mkdir -p "$1/var/log/journal"
  # What systemd does once after an update of /usr is done already.
  ldconfig -r "$1"
  chroot "$1" journalctl --update-catalog
  touch "$1/etc/.updated" "$1/var/.updated"
}

if [ ! -e "$archive" ] || { [ "$kind" = engine ] && [ ! -e "$disk.layer.tar" ]; }; then
  echo "making the guests' disk from Debian $release (two minutes, once)" >&2
  mkdir -p "$cache"
  new=$(mktemp -d "$cache/making-XXXXXX")
  trap 'rm -rf --one-file-system "$new"' EXIT
  if [ "$kind" = engine ]; then
    debian essential busybox,procps,passwd "$new/layer.tar" &
  fi
  debian minbase "$(IFS=,; echo "${packages[*]}")" "$new/disk"
  prepare "$new/disk"
  if [ "$kind" = engine ]; then
    npm install --silent --no-audit --no-fund --global --prefix="$new/disk/usr/local" "$cli" >&2
    wait $!
    mv "$new/layer.tar" "$disk.layer.tar"
    # As in the image that make image makes: the agent is not to wait for it.
    systemctl --quiet --root="$new/disk" disable docker.service containerd.service
  fi
  tar --numeric-owner --xattrs -C "$new/disk" -cf - . | zstd -q -T0 -3 -o "$new/archive"
  mv "$new/archive" "$archive"
  rm -rf "$disk"
  mv "$new/disk" "$disk"
fi
if [ ! -d "$disk" ]; then
  new=$(mktemp -d "$cache/making-XXXXXX")
  trap 'rm -rf --one-file-system "$new"' EXIT
  mkdir "$new/disk"
  zstd -q -d -c "$archive" | tar --numeric-owner --xattrs -C "$new/disk" -xf -
  mv "$new/disk" "$disk"
fi
if [ "$kind" = vm ]; then
  if [ ! -e "$disk.image/disk.ext4" ]; then
    command -v mke2fs >/dev/null || { echo "rootfs.sh: needs mke2fs (apt-get install e2fsprogs)" >&2; exit 1; }
    new=$(mktemp -d "$cache/making-XXXXXX")
    trap 'rm -rf --one-file-system "$new"' EXIT
    mkdir "$new/image"
    cp "$disk"/boot/vmlinuz-* "$new/image/vmlinuz"
    # What the script prints is the directory alone; -q does not keep this one quiet.
    mke2fs -q -t ext4 -d "$disk" "$new/image/disk.ext4" 3G >&2
    mv "$new/image" "$disk.image"
  fi
  disk=$disk.image
fi
echo "$disk"
