package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/backup"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/certificate"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/idle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

type agent struct {
	options Options
	log     *slog.Logger
	clock   dcm.Clock
	// bearings are for times that the control plane named.
	bearings *bearings
	unheard  *unheard
	pace     pace
	config   dcm.AgentConfig
	store    *store
	client   *control.Client
	status   *status
	stop     *stopper
	monitor  atomic.Pointer[idle.Monitor]
	saver    backup.Saver
	saving   sync.Mutex // one backup at a time

	// certificate is nil where the gateway shows the one it signs itself, or none.
	certificate *certificate.Keeper

	processes *proc.Workspace
	runtime   workspace.Runtime
	usable    atomic.Bool // the runtime has started
	tracer    *tracer
	readyAt   time.Time // the first backup is due an interval later

	// life ends when the control plane has let the VM go, or never knew it, or
	// when the agent is leaving.
	life    context.Context
	endLife context.CancelFunc
	// leaving says that the agent ends, and will be started again: nothing is
	// saved, and the VM goes on.
	leaving atomic.Bool
}

// Run is the agent's life. When ctx ends, it saves the workspace and asks for
// the VM's end, unless the machine comes back: then it just leaves. It returns
// nil when the VM is over or the agent leaves: it must then not be started
// again by who started it. After an error, and after being killed, it may and
// should be.
func Run(ctx context.Context, o Options) error {
	a, err := open(o)
	if err != nil {
		return err
	}
	defer a.endLife()
	if a.store.get().Over {
		a.log.Info("this VM is over")
		return nil
	}
	defer context.AfterFunc(ctx, a.endOrLeave)()
	if err := a.bootstrap(); err != nil || a.answer() == nil {
		if err != nil && a.answer() == nil && a.unheard.spent() {
			return a.switchOff()
		}
		return err
	}
	return a.live()
}

func open(o Options) (*agent, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	config, err := readConfig(o.ConfigPath)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	s, err := openStore(filepath.Join(o.StateDir, "state.json"))
	if err != nil {
		return nil, err
	}
	a := &agent{
		options: o, log: o.Logger.With("vm", config.VMID), clock: o.clock(), pace: o.pace(), config: config, store: s,
		client: control.New(config.APIURL, config.VMID, o.Version, dcm.NewSecret(config.BootstrapToken)),
		status: newStatus(),
	}
	a.bearings = &bearings{clock: a.clock}
	a.unheard = &unheard{clock: a.clock, store: s, boot: o.Boot, log: a.log}
	a.client.Heard = a.bearings.hear
	a.tracer = newTracer(o.Root, s.get().Answer == nil)
	a.saver = backup.Saver{Control: a.client, HTTP: backup.NewTransferClient(), Tuning: a.tuning()}
	a.saver.Tuning.Trouble, a.saver.Tuning.Moved = a.status.trouble, a.status.moved
	a.life, a.endLife = context.WithCancel(context.Background())
	a.stop = newStopper(a.recordWish)
	if known := s.get(); known.Stop != nil {
		a.stop.ask(*known.Stop)
	}
	return a, nil
}

// recordWish keeps a wish to end over a restart. If that fails the wish still
// counts: after a restart the control plane says it again.
func (a *agent) recordWish(w wish) {
	if a.store.get().Answer == nil {
		return
	}
	if err := a.store.change(func(s *state) { s.Stop = &w }); err != nil {
		a.log.Error("the wish to end can't be kept", "error", err)
	}
}

// answer is the bootstrap answer, nil before there is one.
func (a *agent) answer() *dcm.BootstrapAnswer { return a.store.get().Answer }

// patience shortens a pause in tests.
func (a *agent) patience(d time.Duration) time.Duration {
	if a.options.Patience > 0 {
		return min(d, a.options.Patience)
	}
	return d
}

func (a *agent) tuning() backup.Tuning { return backup.Tuning{Base: a.patience(time.Second)} }

// live is everything after bootstrap.
func (a *agent) live() error {
	known := a.store.get()
	a.client.SetToken(dcm.NewSecret(known.Answer.VMToken))
	if err := a.makeRuntime(known.Answer); err != nil {
		return err
	}
	a.makeCertificate(known.Answer)
	front, err := a.openFront(known.Answer)
	if err != nil {
		return err
	}
	defer front.close()

	beating, stopBeating := context.WithCancel(a.life)
	var background sync.WaitGroup
	background.Go(func() { a.beatForever(beating) })
	if a.certificate != nil {
		background.Go(func() { a.certificate.Keep(beating) })
	}
	background.Go(func() { a.watchLifetime(beating, known.Answer.ExpiresAt) })
	defer background.Wait()
	defer stopBeating()

	// Until somebody wishes to end.
	working, stopWorking := context.WithCancel(a.life)
	defer stopWorking()
	go func() {
		select {
		case <-a.stop.asked:
			stopWorking()
		case <-working.Done():
		}
	}()
	if err := a.boot(working); err == nil {
		a.work(working)
	} else if working.Err() == nil {
		a.log.Error("the workspace can't be made", "error", err)
		a.status.failAnyhow(err)
		end, alone := a.watchAlone()
		<-working.Done() // until the control plane has heard of it and says stop
		if end(); alone() {
			return a.switchOff()
		}
	}
	if a.leaving.Load() {
		a.log.Info("leaving; the machine comes back")
		return nil
	}
	return a.finish(front)
}

// endOrLeave does what a signal to end asks for.
func (a *agent) endOrLeave() {
	if a.options.ComesBack != nil && a.options.ComesBack() {
		a.leaving.Store(true)
		a.endLife()
		return
	}
	a.stop.ask(wish{Reason: dcm.StopUser})
}

// watchLifetime ends the VM when its time is over, by the control plane's clock,
// whatever else happens. While that is away, nothing could be saved anyhow.
func (a *agent) watchLifetime(ctx context.Context, expires time.Time) {
	if until(ctx, a.bearings, expires, a.pace.poll, nil) {
		a.stop.ask(wish{Reason: dcm.StopMaxLifetime})
	}
}

var errNotEmpty = errors.New("the workspace's directory is not empty")
