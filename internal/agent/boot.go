package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/backup"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/retry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/tree"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// bootstrap gets everything the VM needs, unless it has it already. It leaves
// no answer, and no error, if the VM was over before it began.
func (a *agent) bootstrap() error {
	if a.answer() == nil {
		answer, err := a.askForEverything()
		switch {
		case control.Ended(err) || isConflict(err):
			a.log.Info("the VM is over before it began", "error", err)
			return nil
		case errors.Is(err, context.Canceled):
			return nil // stopped, and nothing there to be saved
		case control.Refused(err):
			return fmt.Errorf("bootstrap: the control plane refuses the bootstrap token, which works once, for %.0f minutes; this VM can't begin, and will be ended: %w",
				dcm.BootstrapTokenLife.Minutes(), err)
		case err != nil:
			return fmt.Errorf("bootstrap: %w", err)
		}
		if err := a.store.change(func(s *state) { s.Answer, s.Generation = &answer, answer.Generation }); err != nil {
			return err
		}
		a.log.Info("bootstrapped", "workspace", answer.WorkspaceID, "runtime", answer.Runtime, "restore", answer.Restore != nil)
	}
	if a.config.BootstrapToken != "" {
		if err := forgetToken(a.options.ConfigPath, a.config); err != nil {
			return fmt.Errorf("forget the bootstrap token: %w", err)
		}
	}
	a.tracer.done(&a.tracer.trace.Bootstrapping)
	// At every start: cloud-init may have fetched user-data anew.
	a.scrub()
	return nil
}

// scrub takes what user-data said off the disk. What can't be is spent anyway.
func (a *agent) scrub() {
	if err := scrub(cmp.Or(a.options.Root, "/"), filepath.Dir(a.options.ConfigPath)); err != nil {
		a.log.Warn("a copy of user-data is left", "error", err)
	}
}

func (a *agent) askForEverything() (answer dcm.BootstrapAnswer, err error) {
	if a.config.BootstrapToken == "" {
		return answer, errors.New("the bootstrap token was used before, and its answer is lost")
	}
	key, err := publicKey(filepath.Join(a.options.StateDir, "agent.key"))
	if err != nil {
		return answer, err
	}
	ctx, cancel := context.WithCancel(a.life)
	defer cancel()
	go func() {
		select {
		case <-a.stop.asked:
			cancel()
		case <-ctx.Done():
		}
	}()
	request := dcm.BootstrapRequest{PublicKey: key, AgentVersion: a.options.Version, IP: publicAddress(a.config.APIURL)}
	p := retry.Policy{
		Base: a.patience(time.Second), Max: a.patience(30 * time.Second),
		Transient: func(err error) bool { return control.Transient(err) && !a.unheard.spent() },
	}
	err = p.Do(ctx, func(ctx context.Context) (err error) {
		answer, err = a.client.Bootstrap(ctx, request)
		if err != nil {
			a.log.Warn("bootstrap failed", "error", err)
		}
		return err
	})
	if err == nil {
		a.unheard.heard()
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return answer, err
}

func isConflict(err error) bool {
	p, ok := errors.AsType[*control.Problem](err)
	return ok && p.Code == dcm.CodeConflict
}

// publicAddress is the address from which this machine reaches the API, if it
// is one that the world can reach. It sends nothing.
func publicAddress(apiURL string) string {
	u, err := url.Parse(apiURL)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.Dial("udp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return ""
	}
	defer c.Close()
	local, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok || !local.IP.IsGlobalUnicast() || local.IP.IsPrivate() {
		return ""
	}
	return local.IP.String()
}

// boot makes the workspace ready, from wherever an earlier start left it. On
// an error the status says what failed.
func (a *agent) boot(ctx context.Context) error {
	if err := a.populate(ctx); err != nil {
		return err
	}
	if err := a.startRuntime(ctx); err != nil {
		return err
	}
	// Recorded before anybody is told: from now on there may be work in it.
	first := !a.store.get().Ready
	if err := a.store.change(func(s *state) {
		if first {
			s.Silence = nil // what was waited for then has begun
		}
		s.Ready = true
	}); err != nil {
		return err
	}
	a.scrub() // by now cloud-init has written its last
	a.watchWork()
	a.readyAt = a.clock.Now()
	a.tracer.done(&a.tracer.trace.Building)
	a.tracer.countPackages()
	a.status.update(func(s *status) {
		s.state, s.phase = dcm.AgentRunning, dcm.PhaseReady
		if first {
			s.boot = &a.tracer.trace
		}
	})
	a.log.Info("ready", "runtime", a.runtime.Name())
	return nil
}

// populate clones or restores the workspace. It appears complete, or not.
func (a *agent) populate(ctx context.Context) error {
	known := a.store.get()
	if known.Populated {
		return nil
	}
	empty, err := isEmpty(a.options.WorkspaceDir)
	if err != nil {
		return err
	}
	switch {
	case known.Populating && !empty:
		// It appeared, and the agent was killed before it could note so.
		return a.store.change(func(s *state) { s.Populated, s.Answer.Restore = true, nil })
	case !empty:
		a.status.fail(problem(dcm.ProblemCloneFailed, errNotEmpty.Error()))
		return errNotEmpty
	}
	if err := a.store.change(func(s *state) { s.Populating = true }); err != nil {
		return err
	}
	if err := backup.ClearStages(a.options.WorkspaceDir); err != nil {
		a.log.Warn("what an earlier try left is still there", "error", err)
	}
	saved := ""
	if known.Answer.Restore != nil {
		saved, err = a.restore(ctx, *known.Answer.Restore)
		a.tracer.done(&a.tracer.trace.Restoring)
	} else {
		err = a.clone(ctx, known.Answer)
		a.tracer.done(&a.tracer.trace.Cloning)
	}
	if err != nil {
		return err
	}
	return a.store.change(func(s *state) { s.Populated, s.Saved, s.Answer.Restore = true, saved, nil })
}

func isEmpty(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return len(entries) == 0, err
}

// restore returns how the restored workspace looks.
func (a *agent) restore(ctx context.Context, from dcm.Restore) (string, error) {
	a.status.reach(dcm.PhaseRestoring)
	began := time.Now()
	r := backup.Restorer{HTTP: backup.NewTransferClient(), Tuning: a.tuning(), Durable: a.options.ownsMachine()}
	var report archive.Report
	p := retry.Policy{Base: a.patience(2 * time.Second), Max: a.patience(time.Minute), Attempts: 20, Transient: backup.Transient}
	err := p.Do(ctx, func(ctx context.Context) (err error) {
		report, err = r.Restore(ctx, from, a.options.WorkspaceDir)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			a.status.fail(problem(dcm.ProblemRestoreFailed, words(err)))
		}
		return "", fmt.Errorf("restore the workspace: %w", err)
	}
	a.log.Info("restored", "generation", from.Generation, "bytes", from.Size, "entries", report.Entries, "seconds", time.Since(began).Seconds())
	look, err := tree.TakeSettled(ctx, a.options.WorkspaceDir)
	if err != nil {
		return "", err
	}
	return look.All, nil
}

// words are an error's, and first what its reader can do something about.
func words(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		return "this VM's disk is full, and the workspace needs more: take a larger size; " + err.Error()
	}
	return err.Error()
}

func (a *agent) clone(ctx context.Context, answer *dcm.BootstrapAnswer) error {
	a.status.reach(dcm.PhaseCloning)
	staging, err := backup.Stage(a.options.WorkspaceDir)
	if err != nil {
		return err
	}
	err = workspace.Clone(ctx, answer.Repository, staging)
	if err == nil && answer.Runtime == workspace.RuntimeDevcontainer {
		err = workspace.GiveToContainer(ctx, staging)
	}
	if err == nil {
		err = backup.Publish(staging, a.options.WorkspaceDir, a.options.ownsMachine())
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	said := words(err)
	if e, ok := errors.AsType[*workspace.CloneError](err); ok {
		said = e.Words
	}
	a.status.fail(problem(dcm.ProblemCloneFailed, said))
	return errors.Join(fmt.Errorf("clone the repository: %w", err), archive.Remove(staging))
}

func (a *agent) startRuntime(ctx context.Context) error {
	if a.runtime.Name() == workspace.RuntimeDevcontainer {
		a.status.reach(dcm.PhaseBuilding)
		if err := a.awaitEngine(ctx); err != nil {
			return err
		}
	}
	broken, err := a.runtime.Start(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !a.store.get().Ready:
		a.status.fail(problem(dcm.ProblemBuildFailed, err.Error()))
		return fmt.Errorf("start the workspace: %w", err)
	case err != nil:
		// There is work in it already: better a VM without a container, which
		// ends when idle and is saved, than one whose work is given up.
		a.log.Error("the workspace can't be started again", "error", err)
		broken = &dcm.Problem{Code: dcm.ProblemBuildFailed, Message: err.Error()}
	default:
		if err := a.awaitCertificate(ctx); err != nil {
			return err
		}
		a.usable.Store(true)
	}
	a.status.update(func(s *status) {
		s.runtime = a.runtime.Name()
		if broken != nil {
			s.lasting = problem(broken.Code, broken.Message)
		}
	})
	return nil
}
