// Command mutations takes guards out of a copy of the code, one at a time, and
// runs the test that is there to notice. It fails if a test passes without its
// guard, if a guard is no longer where it was, or if nothing compiles.
//
//	go run ./.ci/mutations [name…]
//	go run ./.ci/mutations -look     only looks whether every guard is still there
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mutant is a guard that is taken out: in file, before becomes after.
type mutant struct {
	name, file    string
	before, after string
	// test is the pattern of the test that must fail, in pkg.
	pkg, test string
}

func main() {
	work := run
	if slices.Equal(os.Args[1:], []string{"-look"}) {
		work = look
	}
	if err := work(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

func run(names []string) error {
	folder, err := os.MkdirTemp("", "dcm-mutations-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(folder)
	if err := copyCheckout(folder); err != nil {
		return err
	}
	var chosen []mutant
	for _, m := range mutants() {
		if len(names) == 0 || slices.Contains(names, m.name) {
			chosen = append(chosen, m)
		}
	}
	if err := passes(folder, chosen); err != nil {
		return err
	}
	survived := 0
	for _, m := range chosen {
		started := time.Now()
		verdict, err := try(folder, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if verdict != "caught" {
			survived++
		}
		fmt.Printf("%-8s  %-58s  %s (%.0f s)\n", verdict, m.name, m.test, time.Since(started).Seconds())
	}
	fmt.Printf("guards taken out: %d, caught: %d\n", len(chosen), len(chosen)-survived)
	if survived > 0 {
		return fmt.Errorf("%d guards can go and no test notices", survived)
	}
	return nil
}

// look fails if a guard is not in its file, once.
func look([]string) error {
	var errs []error
	for _, m := range mutants() {
		content, err := os.ReadFile(m.file)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
			continue
		}
		_, err = m.applied(content)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Printf("guards where they are said to be: %d\n", len(mutants()))
	return nil
}

// applied is the file without the guard.
func (m mutant) applied(content []byte) ([]byte, error) {
	if n := bytes.Count(content, []byte(m.before)); n != 1 {
		return nil, fmt.Errorf("%s: the guard is there %d times in %s:\n%s", m.name, n, m.file, m.before)
	}
	return bytes.Replace(content, []byte(m.before), []byte(m.after), 1), nil
}

// copyCheckout copies what git knows of, and what is new, as it is now.
func copyCheckout(folder string) error {
	list, err := exec.Command("git", "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("list the checkout: %w", err)
	}
	for _, name := range strings.Fields(string(list)) {
		content, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // deleted, and not committed
		}
		if err != nil {
			return err
		}
		to := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			return err
		}
	}
	// The terminal page's files are fetched, not kept: the build embeds them.
	const assets = "internal/agent/gateway/web/assets"
	if _, err := os.Stat(assets); err == nil {
		return copyAssets(folder, assets)
	}
	return nil
}

// passes checks that every test passes while all guards are there.
func passes(folder string, all []mutant) error {
	patterns := map[string][]string{}
	for _, m := range all {
		if !slices.Contains(patterns[m.pkg], m.test) {
			patterns[m.pkg] = append(patterns[m.pkg], m.test)
		}
	}
	for pkg, tests := range patterns {
		if out, err := build(folder, pkg); err != nil {
			return fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, tail(out))
		}
		for _, test := range tests {
			out, err := runTest(folder, pkg, test)
			if err != nil || bytes.Contains(out, []byte("no tests to run")) {
				return fmt.Errorf("%s %s does not pass with all guards: %v\n%s", pkg, test, err, tail(out))
			}
		}
	}
	return nil
}

// try takes one guard out, runs its test, and puts the guard back.
func try(folder string, m mutant) (string, error) {
	path := filepath.Join(folder, m.file)
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	without, err := m.applied(content)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, without, 0o600); err != nil {
		return "", err
	}
	out, err := build(folder, m.pkg)
	if err != nil {
		return "", fmt.Errorf("it does not compile without the guard: %w\n%s", err, tail(out))
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", err
	}
	if _, err := runTest(folder, m.pkg, m.test); err == nil {
		return "SURVIVED", nil
	}
	return "caught", nil
}

// build makes the test binary of a package, beside its sources.
func build(folder, pkg string) ([]byte, error) {
	c := exec.Command("go", "test", "-c", "-vet=off", "-o", filepath.Join(folder, pkg, binary), pkg)
	c.Dir = folder
	return c.CombinedOutput()
}

const binary = "mutated.test"

func runTest(folder, pkg, pattern string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "./"+binary, "-test.run", pattern)
	c.Dir = filepath.Join(folder, pkg)
	c.Env = append(os.Environ(), "DCM_MATRIX_STRIDE=1")
	return c.CombinedOutput()
}

func tail(out []byte) []byte { return out[max(0, len(out)-4000):] }

func copyAssets(folder, assets string) error {
	files, err := os.ReadDir(assets)
	if err != nil {
		return err
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(assets, f.Name()))
		if err != nil {
			return err
		}
		to := filepath.Join(folder, assets, f.Name())
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
