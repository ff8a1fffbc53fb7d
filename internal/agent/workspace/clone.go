package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/retry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// cloneAttempts is how often a clone is tried when the network seems to fail.
const cloneAttempts = 3

// CloneError is a clone that failed, in git's own words without credentials.
type CloneError struct {
	Words string
	// Passing says that the network seems to be the cause.
	Passing bool
}

// Error returns git's words.
func (e *CloneError) Error() string { return "git clone: " + e.Words }

// Clone clones a repository into dir, with its submodules, which must not
// exist or be what an earlier try left. An empty branch is the default one. It
// never asks a question, and runs no hook. Errors are *CloneError when git ran.
func Clone(ctx context.Context, repository dcm.Repository, dir string) error {
	p := retry.Policy{
		Base: 2 * time.Second, Max: 10 * time.Second, Attempts: cloneAttempts,
		Transient: func(err error) bool {
			e, ok := errors.AsType[*CloneError](err)
			return ok && e.Passing
		},
	}
	return p.Do(ctx, func(ctx context.Context) error {
		if err := archive.Remove(dir); err != nil {
			return fmt.Errorf("clear the place to clone into: %w", err)
		}
		return cloneOnce(ctx, repository, dir)
	})
}

func cloneOnce(ctx context.Context, repository dcm.Repository, dir string) error {
	args := []string{
		"-c", "core.hooksPath=/dev/null",
		// A connection that brings less than a kilobyte a second is broken.
		"-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60",
	}
	if strings.HasPrefix(repository.URL, "file://") {
		// Git trusts file:// for a repository but not for its submodules. Only
		// the local stack lets such a URL come this far.
		args = append(args, "-c", "protocol.file.allow=always")
	}
	args = append(args, "clone", "--recurse-submodules", "--quiet")
	if repository.Branch != "" {
		args = append(args, "--branch="+repository.Branch)
	}
	git := exec.CommandContext(ctx, "git", append(args, "--", repository.URL, dir)...)
	git.Env = gitEnvironment()
	said := &tail{limit: 8 << 10}
	git.Stdout, git.Stderr = said, said
	inOwnGroup(git)
	err := git.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("git clone: %w", ctx.Err())
	}
	if _, ran := errors.AsType[*exec.ExitError](err); !ran {
		return fmt.Errorf("run git: %w", err)
	}
	words := strings.TrimSpace(withoutCredentials(said.String()))
	if words == "" {
		words = err.Error()
	}
	return &CloneError{Words: words, Passing: networkFailed(words)}
}

// gitEnvironment is the agent's without what would redirect git, and such that
// git fails where it would ask.
func gitEnvironment() []string {
	var env []string
	for _, v := range baseEnvironment() {
		if !strings.HasPrefix(v, "GIT_") && !strings.HasPrefix(v, "SSH_ASKPASS") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANGUAGE=") {
			env = append(env, v)
		}
	}
	return append(env, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=30")
}

var credentials = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s'"]*@`)

// withoutCredentials takes user and password out of every URL.
func withoutCredentials(text string) string { return credentials.ReplaceAllString(text, "$1") }

// networkFailed reports whether git's words blame the network or a busy
// server, rather than the repository, its branch or the right to read it.
func networkFailed(words string) bool {
	words = strings.ToLower(words)
	for _, sign := range []string{
		"could not resolve host", "temporary failure in name resolution", "connection timed out", "operation timed out",
		"connection refused", "connection reset", "connection closed by", "failed to connect", "couldn't connect to server", "network is unreachable",
		"no route to host", "early eof", "rpc failed", "unexpected disconnect", "remote end hung up unexpectedly",
		"returned error: 429", "returned error: 5", "operation too slow", "gnutls_handshake", "ssl_error_syscall", "empty reply from server",
	} {
		if strings.Contains(words, sign) {
			return true
		}
	}
	return false
}

// tail keeps the last bytes written to it.
type tail struct {
	kept  []byte
	limit int
}

// Write keeps the end of p.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.limit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.kept), "�") }

// agentsOwn are the variables that are meant for the agent alone.
var agentsOwn = []string{
	"DCM_LOCAL_CLOCK", "NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID",
	"STATE_DIRECTORY", "RUNTIME_DIRECTORY", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE",
}

// baseEnvironment is the agent's own environment without its settings, and
// with what systemd leaves out.
func baseEnvironment() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains(agentsOwn, name) {
			env = append(env, v)
		}
	}
	return withAccount(env)
}
