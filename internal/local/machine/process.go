package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// marker is the environment variable by which a server's processes are found,
// however often they forked and whatever session they moved to. Its value is
// the server's directory.
const marker = "DCM_LOCAL_SERVER"

// process is a server's agent and all that it started. The agent is started
// again as its unit says; done is closed when it has ended for good.
type process struct {
	mark string
	done chan struct{}
	stop chan struct{} // closed to end it

	mu    sync.Mutex
	cmd   *exec.Cmd // the agent as it was started last
	ended bool      // it has ended
}

// starter starts processes from one operating system thread that lives as long
// as it does: on Linux a process asked to die with its parent dies with the
// thread that made it, and Go's threads come and go.
type starter struct {
	work chan func()
	once sync.Once
}

func newStarter() *starter {
	adoptOrphans()
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

// start runs an agent, and again whenever it ends in a way for which the unit
// asks so.
func (s *starter) start(u agentUnit, v *server, environment ...string) (*process, error) {
	environment = append(surroundings(v), environment...)
	p := &process{mark: v.dir, done: make(chan struct{}), stop: make(chan struct{})}
	if err := s.startOnce(p, u, v, environment); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		for {
			err := p.wait()
			// What it started ends with it, as systemd has it.
			killMarked(p.mark)
			if !u.again(err) || !p.pause(u.pause) || s.startOnce(p, u, v, environment) != nil {
				return
			}
		}
	}()
	return p, nil
}

// startOnce runs an agent as a process group of its own, its output appended to
// the server's log, unless the process has been asked to end.
func (s *starter) startOnce(p *process, u agentUnit, v *server, environment []string) error {
	log, err := os.OpenFile(v.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the agent's log: %w", err)
	}
	defer log.Close()
	// A port of before would lead elsewhere by now.
	_ = os.Remove(v.portFile())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped() {
		return errStopped
	}
	cmd, err := s.startWhenNotBusy(func() *exec.Cmd {
		cmd := exec.Command(u.command[0], u.command[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = v.root(), log, log, environment
		cmd.SysProcAttr = processAttributes()
		return cmd
	})
	if err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	p.cmd, p.ended = cmd, false
	return nil
}

// wait returns how the agent ended; what it said is in its log.
func (p *process) wait() error {
	err := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	return err
}

var errStopped = errors.New("the server was switched off")

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

func (p *process) id() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// alive reports whether the agent runs, or is about to be started again.
func (p *process) alive() bool { return !closed(p.done) && !p.stopped() }

func (p *process) stopped() bool { return closed(p.stop) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// pause waits; false if the process was asked to end.
func (p *process) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}

// kill ends the agent and everything it started, and returns when they are
// gone. It may be called again. The id of an agent that has already ended may
// be somebody else's by now; what it left is found by the mark alone.
func (p *process) kill() {
	p.mu.Lock()
	if !p.stopped() {
		close(p.stop)
	}
	id, left := p.cmd.Process.Pid, []int(nil)
	if !p.ended {
		left = descendants(id)
		_ = syscall.Kill(-id, syscall.SIGKILL) // fails once they are gone
	}
	p.mu.Unlock()
	<-p.done
	for _, id := range left {
		_ = syscall.Kill(id, syscall.SIGKILL)
	}
	killMarked(p.mark)
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
