package guest_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// ociRegistry hands out images and other artifacts, as the OCI distribution
// specification says.
type ociRegistry struct {
	mu      sync.Mutex
	content map[string]artifact // by digest, or by name:tag
	asked   []string
}

type artifact struct {
	mediaType, digest string
	content           []byte
}

// descriptor is how one artifact names another.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// put keeps content under its digest, and under a name as well unless that is
// empty.
func (r *ociRegistry) put(name, mediaType string, content []byte) descriptor {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.content == nil {
		r.content = map[string]artifact{}
	}
	a := artifact{mediaType, fmt.Sprintf("sha256:%x", sha256.Sum256(content)), content}
	r.content[a.digest] = a
	if name != "" {
		r.content[name] = a
	}
	return descriptor{MediaType: mediaType, Digest: a.digest, Size: len(content)}
}

func (r *ociRegistry) putManifest(name string, config, layer descriptor, annotations map[string]string) {
	const mediaType = "application/vnd.oci.image.manifest.v1+json"
	r.put(name, mediaType, mustJSON(map[string]any{
		"schemaVersion": 2, "mediaType": mediaType, "config": config, "layers": []descriptor{layer}, "annotations": annotations,
	}))
}

// putImage makes an image of one layer, a tar.
func (r *ociRegistry) putImage(name string, tar []byte) {
	layer := r.put("", "application/vnd.oci.image.layer.v1.tar", tar)
	config := r.put("", "application/vnd.oci.image.config.v1+json", mustJSON(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, "Cmd": []string{"/bin/bash"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
	}))
	r.putManifest(name, config, layer, nil)
}

// putFeature makes a dev container feature of its description and its
// installer.
func (r *ociRegistry) putFeature(t *testing.T, name string, description map[string]any, installer string) {
	t.Helper()
	about := mustJSON(description)
	layer := r.put("", "application/vnd.devcontainers.layer.v1+tar", mustTar(t, map[string]string{
		"devcontainer-feature.json": string(about), "install.sh": installer,
	}))
	layer.Annotations = map[string]string{"org.opencontainers.image.title": "feature.tgz"}
	r.putManifest(name, r.put("", "application/vnd.devcontainers", []byte("{}")), layer, map[string]string{"dev.containers.metadata": string(about)})
}

var registryPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/(.+)$`)

func (r *ociRegistry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/v2/" {
		return // this is a registry, and open
	}
	m := registryPath.FindStringSubmatch(request.URL.Path)
	if m == nil {
		http.NotFound(w, request)
		return
	}
	r.mu.Lock()
	a, found := r.content[m[3]]
	if !found {
		a, found = r.content[m[1]+":"+m[3]]
	}
	r.asked = append(r.asked, m[1])
	r.mu.Unlock()
	if !found {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "there is no such thing here"}]}`))
		return
	}
	w.Header().Set("Content-Type", a.mediaType)
	w.Header().Set("Docker-Content-Digest", a.digest)
	http.ServeContent(w, request, "", time.Time{}, bytes.NewReader(a.content))
}

// wasAsked reports whether somebody wanted something of this name.
func (r *ociRegistry) wasAsked(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.asked, name)
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the tests' own values
	}
	return b
}

func mustTar(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mustPush makes a repository of these files, and returns its URL.
func (w *world) mustPush(name string, files map[string]string) string {
	w.t.Helper()
	tree := w.t.TempDir()
	for path, content := range files {
		if err := writeBelow(tree, path, content); err != nil {
			w.t.Fatal(err)
		}
	}
	bare := w.repositories + "/" + name + ".git"
	mustGit(w.t, "init", "--quiet", tree)
	mustGit(w.t, "-C", tree, "add", "--all")
	mustGit(w.t, "-C", tree, "commit", "--quiet", "--message=first")
	mustGit(w.t, "clone", "--quiet", "--bare", tree, bare)
	return mustPublish(w.t, bare)
}

func writeBelow(dir, path, content string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(path), fs.ModePerm); err != nil {
		return err
	}
	return root.WriteFile(path, []byte(content), 0o644)
}
