package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine/guest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/web"

	hardware "github.com/devcontainer-manager/devcontainer-manager/internal/local/machine"
)

// insideVariable is set for the program that runs where the guests' network is.
const insideVariable = "DCM_LOCAL_INSIDE"

func isInside() bool { return os.Getenv(insideVariable) != "" }

// runInside has this program run once more, in a network that holds nothing but
// guests, and passes signals on to it until it ends. Its user comes in by doors
// that are opened here: a listener belongs to the network it was made in.
func runInside(o local.Options, signals <-chan os.Signal) error {
	if os.Geteuid() != 0 {
		return errors.New("booting guests needs root")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Env = append(os.Environ(), insideVariable+"=1", "DCM_AGENT_BINARY="+o.AgentBinary)
	for _, port := range []int{o.Port, o.EdgePort} {
		door, err := openDoor(port)
		if err != nil {
			return err
		}
		defer door.Close()
		c.ExtraFiles = append(c.ExtraFiles, door)
	}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		// The guests end with it, and it with this program. A Ctrl-C it hears from
		// here, once.
		Pdeathsig: syscall.SIGKILL, Setpgid: true,
	}
	// The signal is sent when the thread ends that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.Start(); err != nil {
		return fmt.Errorf("make a network for the guests: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = c.Process.Signal(s) // it may have ended
		case err := <-ended:
			return err
		}
	}
}

func openDoor(port int) (*os.File, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}

// gitHost is where guests find the sample repository.
const gitHost = "git.example.com"

// guests is a theatre for guests, made where runInside has put this program.
func guests(kind string, o local.Options) (theatre, error) {
	if err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""),
		syscall.Mount("proc", "/proc", "proc", 0, ""),
	); err != nil {
		return theatre{}, fmt.Errorf("keep mounts to this process: %w", err)
	}
	doors, err := inheritedDoors()
	if err != nil {
		return theatre{}, err
	}
	authority, err := web.NewAuthority()
	if err != nil {
		return theatre{}, err
	}
	g := guest.Options{Disk: os.Getenv("DCM_GUEST_DISK"), Trust: authority.PEM(), Hosts: map[string]string{gitHost: guest.Address}, Logger: o.Logger}
	if kind == machine {
		image := os.Getenv("DCM_GUEST_IMAGE")
		g.Disk, g.Kernel = filepath.Join(image, "disk.ext4"), filepath.Join(image, "vmlinuz")
	}
	o.Port, o.Address, o.TLS, o.Doors = 0, guest.Address, &local.TLS{}, doors
	o.Hardware = func(m hardware.Options) (hardware.Hardware, error) {
		g.Dir = m.Dir
		return guest.New(g)
	}
	return theatre{options: o, started: func(s *local.Stack) error {
		// From in there no way leads out: what can be cloned is the sample.
		bare := strings.TrimPrefix(s.SampleRepository, "file://")
		if s.SampleRepository, err = web.Publish(bare, gitHost); err != nil {
			return err
		}
		site := http.FileServer(http.Dir(filepath.Dir(bare)))
		_, err := authority.Serve(guest.Address+":443", map[string]http.Handler{gitHost: site}, o.Logger)
		return err
	}}, nil
}

func inheritedDoors() (*local.Doors, error) {
	var doors local.Doors
	for fd, l := range map[uintptr]*net.Listener{3: &doors.API, 4: &doors.VMs} {
		file := os.NewFile(fd, "door")
		var err error
		if *l, err = net.FileListener(file); err != nil {
			return nil, fmt.Errorf("take over a door: %w", err)
		}
		_ = file.Close()
	}
	return &doors, nil
}
