package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
)

const (
	// drainGrace is how long output is still read once the shell has ended,
	// where a program it left behind holds the terminal open.
	drainGrace = time.Second
	// hangupGrace is how long a shell has to end after SIGHUP.
	hangupGrace = 2 * time.Second
	// killAgain is how long killed processes have to be gone.
	killAgain = 5 * time.Millisecond
	// inputBacklog is how many messages wait while a program does not read.
	inputBacklog = 64
)

// process is a shell on a pseudo-terminal, the leader of its own session.
type process struct {
	cmd    *exec.Cmd
	tty    *os.File
	input  chan []byte
	exited chan struct{} // closed once the shell was waited for
}

// exit is how a shell ended: a code, or the name of a signal.
type exit struct {
	code   int
	signal string
}

// startProcess starts a shell; everything it prints goes to output, and ended
// is called once after the last of it.
func startProcess(cmd *exec.Cmd, size Size, output io.Writer, ended func(exit)) (*process, error) {
	cmd.Env = terminalEnvironment(cmd.Env)
	first, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(size.Cols), Rows: uint16(size.Rows)})
	if err != nil {
		return nil, fmt.Errorf("starting a shell: %w", err)
	}
	tty, err := pollable(first)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("opening the shell's terminal: %w", err)
	}
	p := &process{cmd: cmd, tty: tty, input: make(chan []byte, inputBacklog), exited: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.copyOutput(output)
	}()
	go p.copyInput()
	go func() {
		_ = cmd.Wait()
		close(p.exited)
		_ = tty.SetReadDeadline(time.Now().Add(drainGrace))
		<-read
		_ = tty.Close()
		ended(exitOf(cmd.ProcessState))
	}()
	return p, nil
}

// terminalEnvironment says what kind of terminal it is, unless the shell's
// maker did: the agent's own is another's, or none.
func terminalEnvironment(env []string) []string {
	if env == nil {
		return append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor")
	}
	for _, entry := range env {
		if strings.HasPrefix(entry, "TERM=") {
			return env
		}
	}
	return append(env, "TERM=xterm-256color", "COLORTERM=truecolor")
}

// pollable turns a terminal, which creack/pty leaves blocking, into one whose
// reads a deadline or Close ends.
func pollable(blocking *os.File) (*os.File, error) {
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "terminal"), nil
}

func (p *process) copyOutput(to io.Writer) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := p.tty.Read(buffer)
		if n > 0 {
			_, _ = to.Write(buffer[:n])
		}
		if err != nil {
			return // EIO: nobody holds the other end any more
		}
	}
}

func (p *process) copyInput() {
	for {
		select {
		case b := <-p.input:
			if _, err := p.tty.Write(b); err != nil && !errors.Is(err, syscall.EINTR) {
				return
			}
		case <-p.exited:
			return
		}
	}
}

// write queues input. It waits while the program does not read, until done.
func (p *process) write(input []byte, done <-chan struct{}) {
	select {
	case p.input <- input:
	case <-p.exited:
	case <-done:
	}
}

func (p *process) resize(size Size) {
	raw, err := p.tty.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(size.Cols), Row: uint16(size.Rows)})
	})
}

// hangUp ends a shell as closing its window does, and kills it if it stays.
// What the user started to outlive its window (nohup, setsid) lives on.
func (p *process) hangUp() {
	deadline := time.Now().Add(hangupGrace)
	p.signal(syscall.SIGHUP)
	select {
	case <-p.exited:
	case <-time.After(hangupGrace):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	for time.Now().Before(deadline) && len(p.inside()) > 0 {
		time.Sleep(killAgain)
	}
	for _, shell := range p.inside() {
		_ = syscall.Kill(shell, syscall.SIGKILL)
	}
}

// kill ends a shell and every process that belongs to its session.
func (p *process) kill() {
	inside := p.inside()
	p.signal(syscall.SIGHUP)
	select {
	case <-p.exited:
	case <-time.After(hangupGrace):
	}
	for _, leader := range append(inside, p.cmd.Process.Pid) {
		killSession(leader)
	}
	<-p.exited
}

func (p *process) signal(s syscall.Signal) {
	for _, leader := range append(p.inside(), p.cmd.Process.Pid) {
		signalSession(leader, s)
	}
}

// inside finds the shell that the command has had started in a container. The
// engine does not end it with the command.
func (p *process) inside() []int {
	for _, entry := range p.cmd.Env {
		if strings.HasPrefix(entry, proc.TerminalVariable+"=") {
			return proc.Entrants(entry)
		}
	}
	return nil
}

// killSession kills every process of a session, again while new ones appear: one
// that forks as it is killed leaves another. It gives up on what the kernel
// does not let go.
func killSession(leader int) {
	deadline := time.Now().Add(hangupGrace)
	for signalSession(leader, syscall.SIGKILL) > 0 && time.Now().Before(deadline) {
		time.Sleep(killAgain)
	}
}

func exitOf(state *os.ProcessState) exit {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exit{code: 128 + int(status.Signal()), signal: unix.SignalName(status.Signal())}
	}
	return exit{code: state.ExitCode()}
}
