package guest_test

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// What the registry has.
const (
	baseImage = registryHost + "/base:1"
	feature   = registryHost + "/features/greeting:1"
)

// repositories are what the guests of TestEngine are of.
var repositories = map[string]map[string]string{
	"image": {
		".devcontainer/devcontainer.json": `{"image": "` + baseImage + `", "postCreateCommand": "id -un >made-by && pwd >>made-by"}`,
	},
	"dockerfile": {
		".devcontainer/devcontainer.json": `{
			// Comments are allowed here, and commas at the end.
			"build": {"dockerfile": "Dockerfile", "args": {"WORD": "built"}}, "remoteUser": "dev",
			"features": {"` + feature + `": {"words": "moin"}},
			"postCreateCommand": {"greet": "greet >greeting", "own": ["sh", "-c", "id -un >made-by"]},
		}`,
		"index.html": "Hello from the container\n",
		".devcontainer/Dockerfile": "FROM " + baseImage + "\nARG WORD\n" +
			"RUN useradd --uid 1000 --create-home --shell /bin/bash dev && echo $WORD >/built\n",
	},
	"compose": {
		".devcontainer/devcontainer.json": `{"dockerComposeFile": "compose.yaml", "service": "app", "workspaceFolder": "/workspaces/app",
			"postCreateCommand": "busybox wget -O answer http://database:8002/data"}`,
		".devcontainer/compose.yaml": `services:
  app:
    image: ` + baseImage + `
    command: sleep infinity
    volumes: ["..:/workspaces/app"]
    depends_on: [database]
  database:
    image: ` + baseImage + `
    command: sh -c "echo stored >/tmp/data; exec busybox httpd -f -p 8002 -h /tmp"
`,
	},
	"broken": {
		".devcontainer.json": `{"build": {"dockerfile": "Dockerfile"}}`,
		"Dockerfile":         "FROM " + baseImage + "\nRUN echo the compiler is missing >&2; exit 3\n",
	},
	"plain": {"README.md": "Nothing is said of a container.\n"},
}

// TestEngine has real containers, built and run by Docker and the dev container
// CLI, with nothing to ask but a registry beside the guests.
func TestEngine(t *testing.T) {
	w := mustStart(t, worldOptions{engine: true, tls: true})
	w.stock()
	launched := map[string]vm{} // they boot at once
	for name, files := range repositories {
		launched[name] = w.mustLaunch(map[string]any{"repoUrl": w.mustPush(name, files)})
	}
	t.Run("scenes", func(t *testing.T) { w.in(t).playScenes(launched) })
	w.requireNothingLeft()
}

// playScenes plays all of them at once.
func (w *world) playScenes(launched map[string]vm) {
	for _, scene := range []struct {
		name, repository string
		look             func(*world, vm)
	}{
		{"an image", "image", (*world).lookAtImage},
		{"a Dockerfile and a feature", "dockerfile", (*world).lookAtDockerfile},
		{"two containers of Compose", "compose", (*world).lookAtCompose},
		{"a broken configuration", "broken", (*world).lookAtBroken},
		{"no configuration", "plain", (*world).lookAtPlain},
	} {
		w.t.Run(scene.name, func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			v := w.becomesReady(launched[scene.repository])
			if v.Runtime != "devcontainer" {
				t.Errorf("it runs on %q", v.Runtime)
			}
			scene.look(w, v)
		})
	}
}

// stock fills the registry.
func (w *world) stock() {
	w.t.Helper()
	layer, err := os.ReadFile(os.Getenv(engineVariable) + ".layer.tar")
	if err != nil {
		w.t.Fatal(err)
	}
	w.registry.putImage("base:1", layer)
	w.registry.putFeature(w.t, "features/greeting:1", map[string]any{
		"id": "greeting", "version": "1.0.0", "name": "A greeting", "options": map[string]any{
			"words": map[string]any{"type": "string", "default": "hello", "description": "what it says"},
		},
	}, "#!/bin/sh\nset -e\nprintf '#!/bin/sh\\necho %s\\n' \"$WORDS\" >/usr/local/bin/greet\nchmod 755 /usr/local/bin/greet\n")
}

// lookAtImage is the main job, in a container.
func (w *world) lookAtImage(v vm) {
	w.requireNoError(v)
	w.requireFile(v, "made-by", "root\n/workspaces/workspace\n", 0)
	w.lookInside(v)
	w.lookAtPorts(v)
	w.lookAtContainersMetadata(v)
	w.lookAtCPU(v)
	w.lookAtRestart(v)
	w.end(v, 1)

	v = w.mustBeReady(map[string]any{"workspaceId": v.WorkspaceID})
	w.requireNoError(v)
	w.requireFile(v, "edited", "in the container\n", 0)
	if shown := w.typed(v, "cat edi''ted; echo do''ne\n"); !strings.Contains(shown, "\nin the container\r\n") {
		w.t.Errorf("the next container shows %q", shown)
	}
	w.end(v, 2)
}

// lookInside uses a terminal, which is the container's.
func (w *world) lookInside(v vm) {
	w.t.Helper()
	shown := w.typed(v, "test -e /.dockerenv && echo in a cont''ainer; id -un; pwd; stty size; test -e /var/lib/dcm || echo no ag''ent; "+
		"echo in the container >edited; cd /workspaces/workspace; nohup busybox httpd -f -p 127.0.0.1:8000 & nohup busybox httpd -f -p 8001 & "+
		"nohup sleep 4711 & "+ // what outlives the terminal must have begun before it is closed
		"until pgrep sleep && busybox wget -O- http://127.0.0.1:8000/edited && busybox wget -O- http://127.0.0.1:8001/edited; do :; done; echo do''ne\n")
	for _, want := range []string{"in a container", "\nroot\r\n", "\n/workspaces/workspace\r\n", "\n24 80\r\n", "no agent"} {
		if !strings.Contains(shown, want) {
			w.t.Errorf("%q is not in %q", want, shown)
		}
	}
}

// lookAtPorts reaches a server that listens everywhere in the container, and one
// that listens on its loopback alone.
func (w *world) lookAtPorts(v vm) {
	w.t.Helper()
	for _, port := range []string{"8000", "8001"} {
		var status int
		var body string
		w.watch("port "+port, func() bool {
			status, body = w.visit(v, port, "/edited")
			return status != http.StatusBadGateway
		})
		if status != http.StatusOK || body != "in the container\n" {
			w.t.Errorf("port %s answers %d %q", port, status, body)
		}
	}
	if out, err := w.run(v, "curl", "-s", "--max-time", "2", "http://127.0.0.1:8000/edited"); err == nil {
		w.t.Errorf("it is the machine's port, not the container's: %s", out)
	}
}

// lookAtContainersMetadata asks from within containers.
func (w *world) lookAtContainersMetadata(v vm) {
	w.t.Helper()
	elsewhere := w.URL + "/openapi.json"
	const data = "http://169.254.169.254/hetzner/v1/metadata"
	ask := []string{"busybox", "wget", "-q", "-T", "2", "-O", "/dev/null"}
	inside := append([]string{"docker", "exec", w.container(v)}, ask...)
	beside := append([]string{"docker", "run", "--rm", "--network=host", "--user=1000", baseImage}, ask...)
	for who, words := range map[string][]string{"the container": inside, "one in the machine's network": beside} {
		if out, err := w.run(v, append(words, elsewhere)...); err != nil {
			w.t.Errorf("%s, elsewhere: %v %s", who, err, out)
		}
		if _, err := w.run(v, append(words, data)...); err == nil {
			w.t.Errorf("%s reads metadata", who)
		}
	}
}

// lookAtCPU computes in the container: that is work. Signals alone are recorded
// once in a few minutes.
func (w *world) lookAtCPU(v vm) {
	w.t.Helper()
	w.mustRun(v, "docker", "exec", "--detach", w.container(v), "timeout", "60", "sh", "-c", "while :; do :; done")
	var shown struct {
		LastSeenAt time.Time
		Idle       struct{ Signals struct{ CPU *time.Time } }
	}
	look := func() { w.must(http.StatusOK, "GET", "/vms/"+v.ID, nil, &shown) }
	look()
	w.watch("the CPU's signal", func() bool {
		w.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "5m"}, nil)
		before := shown.LastSeenAt
		w.watch("a heartbeat", func() bool {
			look()
			return shown.LastSeenAt.After(before)
		})
		return shown.Idle.Signals.CPU != nil
	})
}

// lookAtRestart restarts the agent, which leaves the container and what runs in
// it alone.
func (w *world) lookAtRestart(v vm) {
	w.t.Helper()
	before := w.container(v)
	w.restart(v)
	if after := w.container(v); after != before {
		w.t.Errorf("it is container %q instead of %q", after, before)
	}
	if out, err := w.run(v, "pgrep", "-f", "^sleep 4711$"); err != nil {
		w.t.Errorf("it took what the user had left running: %v %s", err, out)
	}
	if status, body := w.visit(v, "8000", "/edited"); status != http.StatusOK {
		w.t.Errorf("its port answers %d %q", status, body)
	}
}

// container is the running container's id.
func (w *world) container(v vm) string {
	w.t.Helper()
	id := w.mustRun(v, "docker", "ps", "--quiet", "--filter", "label=devcontainer.local_folder=/workspace")
	if id == "" || strings.Contains(id, "\n") {
		w.t.Fatalf("the containers are %q", id)
	}
	return id
}

func (w *world) lookAtDockerfile(v vm) {
	w.requireNoError(v)
	if !w.registry.wasAsked("features/greeting") {
		w.t.Error("nobody wanted the feature")
	}
	w.requireFile(v, "greeting", "moin\n", 1000)
	w.requireFile(v, "made-by", "dev\n", 1000)
	shown := w.typed(v, "id -un; cat /bui''lt; greet; touch mi''ne && echo wri''table; echo do''ne\n")
	for _, want := range []string{"\ndev\r\n", "\nbuilt\r\n", "\nmoin\r\n", "\nwritable\r\n"} {
		if !strings.Contains(shown, want) {
			w.t.Errorf("%q is not in %q", want, shown)
		}
	}
	w.lookOverHTTPS(v)
	w.end(v, 1)
}

// lookAtCompose has a database beside the workspace's container.
func (w *world) lookAtCompose(v vm) {
	w.requireNoError(v)
	w.requireFile(v, "answer", "stored\n", 0)
	shown := w.typed(v, "pwd; busybox wget -q -O- http://data''base:8002/data; echo do''ne\n")
	if !strings.Contains(shown, "\n/workspaces/app\r\n") || !strings.Contains(shown, "\nstored\r\n") {
		w.t.Errorf("the terminal shows %q", shown)
	}
	w.end(v, 1)
}

// lookAtBroken has the default image instead, and hears why, also after a
// reboot.
func (w *world) lookAtBroken(v vm) {
	w.requireSaysSo(v)
	w.typed(v, "echo kept >/ke''pt; echo do''ne\n")
	before := w.bootID(v)
	_, _ = w.run(v, "systemctl", "reboot") // the answer may be lost
	w.watch("another boot", func() bool { id := w.bootID(v); return id != "" && id != before })
	w.requireGoesOn(v, "")
	w.requireSaysSo(v)
	if shown := w.typed(v, "cat /ke''pt; echo do''ne\n"); !strings.Contains(shown, "\nkept\r\n") {
		w.t.Errorf("after the reboot it is another container: %q", shown)
	}
	w.end(v, 1)
}

func (w *world) requireSaysSo(v vm) {
	w.t.Helper()
	said := w.get(v.ID).Error
	if said == nil || said.Code != dcm.ProblemBuildFailed || !strings.Contains(said.Message, "the compiler is missing") {
		w.t.Errorf("its error is %+v", said)
	}
	status, page := w.visit(v, "ui", "/api/status")
	if status != http.StatusOK || !strings.Contains(page, "the compiler is missing") {
		w.t.Errorf("the terminal page says %d %s", status, page)
	}
}

// lookAtPlain has the default image, until its user writes a configuration: one
// whose command fails, which does not cost them their container.
func (w *world) lookAtPlain(v vm) {
	w.requireNoError(v)
	w.typed(v, "test -e /.dockerenv && echo '"+
		`{"image": "`+baseImage+`", "postCreateCommand": "echo the database is away >&2; exit 3"}`+"' >.devcontainer.json; echo do''ne\n")
	w.end(v, 1)

	v = w.mustBeReady(map[string]any{"workspaceId": v.WorkspaceID})
	if v.Error == nil || v.Error.Code != dcm.ProblemBuildFailed || !strings.Contains(v.Error.Message, "the database is away") {
		w.t.Errorf("its error is %+v", v.Error)
	}
	image := w.mustRun(v, "docker", "inspect", "--format", `{{index .Config.Labels "devcontainer-manager.container"}}`, w.container(v))
	if image != "own" {
		w.t.Errorf("it is in the container %q", image)
	}
	w.end(v, 1) // nothing has changed
}

func (w *world) requireNoError(v vm) {
	w.t.Helper()
	if v.Error != nil {
		w.t.Errorf("its error is %+v", v.Error)
	}
}

// requireFile looks for a file of the workspace, and for its owner.
func (w *world) requireFile(v vm, name, want string, owner uint32) {
	w.t.Helper()
	path := w.workspace(v, name)
	b, err := os.ReadFile(path)
	if err != nil || string(b) != want {
		w.t.Errorf("%s holds %q: %v", name, b, err)
		return
	}
	if info, err := os.Stat(path); err != nil || info.Sys().(*syscall.Stat_t).Uid != owner {
		w.t.Errorf("%s is not of %d: %v", name, owner, err)
	}
}

// end ends a VM as its user does, while others go on.
func (w *world) end(v vm, generation int64) {
	w.t.Helper()
	began := time.Now()
	w.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, nil)
	w.requireEnded(v, "user", generation)
	w.t.Logf("stop to gone: %.1f s", time.Since(began).Seconds())
}
