package guest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A server as a machine of QEMU: it has a kernel of its own, and a BIOS that
// says it is Hetzner's, so that cloud-init finds out by itself where it is.
// QEMU emulates the processor: KVM, where there is any, may open and then not
// run a stock kernel.

// command is the machine. Reboots are its own affair; it ends when the guest
// powers off.
func (v *server) machine() *exec.Cmd {
	return exec.Command("qemu-system-x86_64",
		"-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "640",
		"-serial", "file:"+filepath.Join(v.dir, "serial.log"),
		"-smbios", "type=1,manufacturer=Hetzner,product=vServer,serial="+v.info.ID,
		"-kernel", v.options.Kernel, "-append", "root=/dev/nvme0n1 rw console=ttyS0 quiet systemd.log_level=notice net.ifnames=0 mitigations=off",
		"-drive", "file="+v.image()+",if=none,id=disk,format=raw,cache=unsafe", "-device", "nvme,drive=disk,serial=1",
		"-netdev", "tap,id=net,ifname="+v.cable()+",script=no,downscript=no", "-device", "virtio-net-pci,netdev=net,mac="+hardwareAddress(v.info.ID),
		"-device", "virtio-rng-pci")
}

func (v *server) image() string { return filepath.Join(v.dir, "disk.ext4") }

// makeImage copies the disk and tells it whom to trust.
func (v *server) makeImage() error {
	if err := os.MkdirAll(v.dir, 0o755); err != nil {
		return fmt.Errorf("make the disk: %w", err)
	}
	if out, err := exec.Command("cp", "--sparse=always", "--reflink=auto", v.options.Disk, v.image()).CombinedOutput(); err != nil {
		return fmt.Errorf("make the disk: %w: %s", err, out)
	}
	if len(v.options.Trust) == 0 {
		return nil
	}
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	known, err := exec.Command("debugfs", "-R", "cat "+bundle, v.image()).Output()
	if err != nil {
		return fmt.Errorf("read whom the disk trusts: %w", err)
	}
	file := filepath.Join(v.dir, "trust.pem")
	if err := os.WriteFile(file, append(known, v.options.Trust...), 0o644); err != nil {
		return fmt.Errorf("make the disk: %w", err)
	}
	edit := exec.Command("debugfs", "-w", "-f", "-", v.image())
	edit.Stdin = strings.NewReader("rm " + bundle + "\nwrite " + file + " " + bundle + "\nset_inode_field " + bundle + " mode 0100644\n")
	if out, err := edit.CombinedOutput(); err != nil {
		return fmt.Errorf("make the disk: %w: %s", err, out)
	}
	return nil
}

// checkMachines says what a machine needs that is not here.
func checkMachines(o Options) error {
	var missing error
	for tool, from := range map[string]string{"qemu-system-x86_64": "qemu-system-x86", "debugfs": "e2fsprogs"} {
		missing = errors.Join(missing, need(tool, from))
	}
	for _, path := range []string{o.Kernel, o.Disk, "/dev/net/tun"} {
		if _, err := os.Stat(path); err != nil {
			missing = errors.Join(missing, err)
		}
	}
	return missing
}
