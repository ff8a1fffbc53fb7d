package guest_test

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// screenshotVariable says where the browser's picture of the terminal is to be
// kept; without it nothing is.
const screenshotVariable = "DCM_TEST_SCREENSHOT"

// browserCheck is the folder of the program that drives a browser.
const browserCheck = "../../internal/agent/gateway/web/check"

// lookInBrowser uses the terminal as a person would, in a browser that trusts
// Pebble's root besides its own, and complains about a certificate as any other.
func (w *world) lookInBrowser(v vm) {
	w.t.Helper()
	browser := os.Getenv(browserVariable)
	if browser == "" {
		w.t.Fatalf("%s is not set: make e2e-engine", browserVariable)
	}
	screenshot := os.Getenv(screenshotVariable)
	if screenshot == "" {
		screenshot = filepath.Join(w.t.TempDir(), "terminal.png")
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), w.patience)
	defer cancel()
	began := time.Now()
	out, err := w.elsewhere(ctx, append(os.Environ(),
		"CHROMIUM="+browser, "HOME="+w.mustTrust(w.signer.root),
		"NAMES=*."+domain+" "+w.edge(),
		// A user, a file and a command that there are in the container alone.
		"COMMAND=id -un; cat /bui''lt; greet; ls -d /.dockerenv", `WANTED=dev\nbuilt\nmoin\n/\.dockerenv\n`,
		"PORT_COMMAND=busybox httpd -f -v -p 127.0.0.1:3000",
	), "node", filepath.Join(browserCheck, "browser-check.mjs"), v.URLs.UI, v.TerminalPassword, screenshot)
	w.t.Logf("in the browser: %.1f s\n%s", time.Since(began).Seconds(), out)
	if err != nil {
		w.t.Fatalf("the browser: %v", err)
	}
	if !strings.Contains(out, "HTTP/2") {
		w.t.Error("it did not look at the connection")
	}
	requirePicture(w.t, screenshot)
}

// mustTrust makes a home directory whose owner's browser trusts an authority, as
// anybody may add one to theirs: in NSS's database.
func (w *world) mustTrust(root []byte) string {
	w.t.Helper()
	home := w.t.TempDir()
	database, file := filepath.Join(home, ".pki", "nssdb"), filepath.Join(home, "root.pem")
	if err := os.MkdirAll(database, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, root, 0o600); err != nil {
		w.t.Fatal(err)
	}
	for _, words := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-n", "Pebble's root", "-t", "C,,", "-i", file},
	} {
		if out, err := exec.Command("certutil", append(words, "-d", "sql:"+database)...).CombinedOutput(); err != nil {
			w.t.Fatalf("certutil (Debian: apt-get install libnss3-tools): %v: %s", err, out)
		}
	}
	return home
}

// screen is where the terminal is in a picture of its page, without what lies
// above and below, which is there also while the terminal is not.
var screen = image.Rect(0, 50, 1200, 690)

// requirePicture wants a picture of a terminal that shows text.
func requirePicture(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s is no picture: %v", path, err)
	}
	if !screen.In(picture.Bounds()) {
		t.Fatalf("the picture has %v", picture.Bounds().Size())
	}
	colors, ink := colorsOf(picture)
	t.Logf("the terminal has %d colours, %.2f %% of it is text", colors, 100*ink)
	// A few lines of letters, whose edges are smooth.
	if colors < 64 || ink < 0.005 {
		t.Error("the picture shows nothing")
	}
}

// colorsOf counts the colours of the terminal, and returns the share of it that
// is not background.
func colorsOf(picture image.Image) (colors int, ink float64) {
	seen := map[color.Color]int{}
	for y := screen.Min.Y; y < screen.Max.Y; y++ {
		for x := screen.Min.X; x < screen.Max.X; x++ {
			seen[picture.At(x, y)]++
		}
	}
	background := 0
	for _, n := range seen {
		background = max(background, n)
	}
	return len(seen), 1 - float64(background)/float64(screen.Dx()*screen.Dy())
}
