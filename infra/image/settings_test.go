package main

import (
	"strings"
	"testing"
)

func environment(changes map[string]string) func(string) string {
	e := map[string]string{
		"HCLOUD_TOKEN": "token", "INSTALLATION": "prod", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_REGION": "eu-central-1",
		"AGENT_URL_AMD64": "https://signed.example.com/agent", "AGENT_SHA256_AMD64": strings.Repeat("ab", 32), "BASE_IMAGE": "mcr.example.com/base:ubuntu",
	}
	for name, value := range changes {
		e[name] = value
	}
	return func(name string) string { return e[name] }
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s, err := readSettings(environment(map[string]string{"HCLOUD_SSH_KEY_ID": "4711"}))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.recipe("amd64")
	if err != nil || r.ServerImage != "ubuntu-24.04" || r.SSHKeyID != 4711 || r.Agent.Architecture != "amd64" || r.BaseImage != "mcr.example.com/base:ubuntu" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.recipe("arm64"); err == nil || !strings.Contains(err.Error(), "AGENT_SHA256_ARM64") {
		t.Errorf("without an agent for it: %v", err)
	}
	for name, value := range map[string]string{
		"HCLOUD_TOKEN": "", "INSTALLATION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": "",
	} {
		if _, err := readSettings(environment(map[string]string{name: value})); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := readSettings(environment(map[string]string{"INSTALLATION": "a,b==c"})); err == nil {
		t.Error("an installation that is a label selector was taken")
	}
	s, _ = readSettings(environment(map[string]string{"HCLOUD_SSH_KEY_ID": "mine"}))
	if _, err := s.recipe("amd64"); err == nil {
		t.Error("a key that is no number was taken")
	}
}
