package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// marker is the environment variable by which a server's processes are found,
// however often they forked and whatever session they moved to. Its value is
// the server's directory.
const marker = "DCM_LOCAL_SERVER"

// process is a running agent and all that it started.
type process struct {
	cmd  *exec.Cmd
	mark string
	done chan struct{} // closed when the agent itself has ended
	once sync.Once
	// failed says how the agent ended, once done is closed; killed, that this
	// package ended it, or what it left.
	failed bool
	killed atomic.Bool
}

// starter starts processes from one operating system thread that lives as long
// as it does: on Linux a process asked to die with its parent dies with the
// thread that made it, and Go's threads come and go.
type starter struct {
	work chan func()
	once sync.Once
}

func newStarter() *starter {
	s := &starter{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *starter) close() { s.once.Do(func() { close(s.work) }) }

// start runs an agent as a process group of its own, its output appended to
// the server's log.
func (s *starter) start(command []string, v *server, environment ...string) (*process, error) {
	log, err := os.OpenFile(v.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	defer log.Close()
	// A port of before would lead elsewhere by now.
	_ = os.Remove(v.portFile())
	environment = append(surroundings(v), environment...)
	cmd, err := s.startWhenNotBusy(func() *exec.Cmd {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = v.root(), log, log, environment
		cmd.SysProcAttr = processAttributes()
		return cmd
	})
	if err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	p := &process{cmd: cmd, mark: v.dir, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.failed = cmd.Wait() != nil // why is in its log
	}()
	return p, nil
}

// startWhenNotBusy starts a program that was written a moment ago. A process
// that is forked anywhere in this one while the program is written holds it
// open for as long as it takes to call exec, and until then nobody can run it.
func (s *starter) startWhenNotBusy(command func() *exec.Cmd) (*exec.Cmd, error) {
	for attempt := 1; ; attempt++ {
		cmd := command()
		started := make(chan error)
		s.work <- func() { started <- cmd.Start() }
		err := <-started
		if err == nil {
			return cmd, nil
		}
		if !errors.Is(err, syscall.ETXTBSY) || attempt == 100 {
			return nil, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// surroundings is the environment that a server's processes begin with.
func surroundings(v *server) []string {
	home, temporary := filepath.Join(v.root(), "root"), filepath.Join(v.root(), "tmp")
	for _, dir := range []string{home, temporary} {
		_ = os.MkdirAll(dir, 0o700) // whoever needs it will say so
	}
	e := []string{marker + "=" + v.dir, "HOME=" + home, "TMPDIR=" + temporary}
	for _, name := range []string{"PATH", "LANG", "LC_ALL", "SHELL", "USER", "LOGNAME"} {
		if value, ok := os.LookupEnv(name); ok {
			e = append(e, name+"="+value)
		}
	}
	return e
}

func (p *process) id() int { return p.cmd.Process.Pid }

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the agent and everything it started, and returns when they are
// gone. The id of an agent that has already ended may be somebody else's by
// now; what it left is found by the mark alone.
func (p *process) kill() {
	p.killed.Store(true)
	p.once.Do(func() {
		if p.alive() {
			strays := descendants(p.id())
			_ = syscall.Kill(-p.id(), syscall.SIGKILL) // fails once they are gone
			<-p.done
			for _, id := range strays {
				_ = syscall.Kill(id, syscall.SIGKILL)
			}
		}
		killMarked(p.mark)
	})
}

// removeDisk deletes a directory, also where a restored workspace holds
// directories that its owner may not write.
func removeDisk(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
