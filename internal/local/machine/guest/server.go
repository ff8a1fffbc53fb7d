package guest

import (
	_ "embed" // the launcher
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// rebooted is what systemd-nspawn exits with when the guest asked for a reboot.
const rebooted = 133

//go:embed launch.sh
var launcher string

// server is one guest: a directory with its disk, and, while it is on, the
// container that boots from it.
type server struct {
	info    hetzner.ServerInfo
	options Options
	dir     string
	group   string // the control group

	// power is held by whoever switches the server.
	power     sync.Mutex
	destroyed bool
	mounted   bool
	leases    *daemon

	mu   sync.Mutex
	done chan struct{} // closed when it is off; nil before it was on
	cut_ bool          // the power was cut: no reboot
}

func (v *server) root() string    { return filepath.Join(v.dir, "root") }
func (v *server) console() string { return filepath.Join(v.dir, "console.log") }
func (v *server) images() string  { return filepath.Join(v.dir, "images") }

func (v *server) running() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done == nil {
		return false
	}
	select {
	case <-v.done:
		return false
	default:
		return true
	}
}

// start switches the server on. It needs power.
func (v *server) start() error {
	if v.running() {
		return nil
	}
	if err := v.mount(); err != nil {
		return err
	}
	v.cut() // what the last start left
	container, err := v.launch()
	if err != nil {
		return err
	}
	done := make(chan struct{})
	v.mu.Lock()
	v.done, v.cut_ = done, false
	v.mu.Unlock()
	go func() {
		defer close(done)
		v.runUntilOff(container)
	}()
	return nil
}

// runUntilOff boots the guest again whenever it asks for that.
func (v *server) runUntilOff(container *exec.Cmd) {
	for {
		_ = container.Wait() // how it ended is in its state
		v.mu.Lock()
		again := container.ProcessState.ExitCode() == rebooted && !v.cut_
		v.mu.Unlock()
		if !again {
			return
		}
		var err error
		if container, err = v.launch(); err != nil {
			_ = os.WriteFile(filepath.Join(v.dir, "reboot-failed"), []byte(err.Error()), 0o600)
			return
		}
	}
}

// mount makes the server's disk. A container's is a directory: what it changes lies in a directory of its
// own above the disk that all begin with.
func (v *server) mount() error {
	if v.mounted {
		return nil
	}
	if v.options.Kernel != "" {
		err := v.makeImage()
		v.mounted = err == nil
		return err
	}
	for _, name := range []string{"changed", "work", "root", "images"} {
		if err := os.MkdirAll(filepath.Join(v.dir, name), 0o755); err != nil {
			return fmt.Errorf("make the disk: %w", err)
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s/changed,workdir=%s/work", v.options.Disk, v.dir, v.dir)
	if err := syscall.Mount("overlay", v.root(), "overlay", 0, layers); err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	v.mounted = true
	if err := v.prepare(); err != nil {
		return fmt.Errorf("make the disk: %w", err)
	}
	return nil
}

// prepare changes a new disk.
func (v *server) prepare() error {
	if v.options.Prepare != nil {
		if err := v.options.Prepare(v.root()); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(v.root(), "etc/ssl/certs/ca-certificates.crt"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(v.options.Trust)
	return errors.Join(err, f.Close())
}

// launch starts the container, in a network namespace of its own that holds
// one end of a cable; or the machine, which is one end itself.
func (v *server) launch() (*exec.Cmd, error) {
	if err := os.MkdirAll(v.group, 0o755); err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	group, err := os.Open(v.group)
	if err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	defer group.Close()
	console, err := os.OpenFile(v.console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the console: %w", err)
	}
	defer console.Close()
	if v.options.Kernel != "" {
		if err := v.plugMachine(); err != nil {
			return nil, err
		}
	}
	c := v.command()
	c.Stdout, c.Stderr = console, console
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd()), Setpgid: true}
	if v.options.Kernel == "" {
		// From its beginning: the other end of the cable is laid to where it is.
		c.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start the guest: %w", err)
	}
	if v.options.Kernel != "" {
		return c, nil
	}
	if err := v.plug(c.Process.Pid); err != nil {
		v.killGroup()
		_ = c.Wait() // it was killed
		return nil, err
	}
	return c, nil
}

// command is what a server runs as.
func (v *server) command() *exec.Cmd {
	if v.options.Kernel != "" {
		return v.machine()
	}
	words := []string{"--mount", "--propagation", "private", "sh", "-c", launcher, "launch", v.root(), "dcm-" + v.info.ID, v.seed()}
	if v.options.Engine {
		words = append(words, "--capability=all", "--system-call-filter=bpf keyctl add_key", "--bind="+v.images()+":/var/lib/docker")
	}
	return exec.Command("unshare", words...)
}

// plug lays the cable, and serves the guest's address by DHCP.
func (v *server) plug(pid int) error {
	if err := layCable(v.cable(), v.info, pid); err != nil {
		return err
	}
	return v.lease()
}

// plugMachine makes the machine's end of the cable, which is also ours.
func (v *server) plugMachine() error {
	if err := layTap(v.cable(), v.info); err != nil {
		return err
	}
	return v.lease()
}

func (v *server) lease() (err error) {
	v.leases.stop()
	v.leases, err = v.serveAddress()
	return err
}

// cut ends the guest as a power cut does. It needs power.
func (v *server) cut() {
	v.mu.Lock()
	done := v.done
	v.cut_ = true
	v.mu.Unlock()
	v.killGroup()
	if done != nil {
		<-done
	}
	v.leases.stop()
	v.leases = nil
	removeCable(v.cable())
	removeGroup(v.group)
}

func (v *server) destroy() error {
	v.power.Lock()
	defer v.power.Unlock()
	v.destroyed = true
	v.cut()
	if v.mounted && v.options.Kernel == "" {
		if err := syscall.Unmount(v.root(), syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount the disk: %w", err)
		}
		v.mounted = false
	}
	return os.RemoveAll(v.dir)
}

func (v *server) killGroup() {
	err := os.WriteFile(filepath.Join(v.group, "cgroup.kill"), []byte("1"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENODEV) {
		panic("a guest can't be killed: " + err.Error()) // it would outlive its server
	}
}
