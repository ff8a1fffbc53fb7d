package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// scene is what one event needs: a VM of its own, as far along as the event's
// placeholders say. Each step is itself a sample event.
type scene struct {
	player *Player
	values map[string]string
	played map[string][]byte // body of the answer, by function
	sealed []byte            // the backup
}

var placeholder = regexp.MustCompile(`\{\{([a-zA-Z0-9.]+)\}\}`)

// fill puts the values in. A value is made when it is first asked for.
func (s *scene) fill(ctx context.Context, text string) (string, error) {
	for {
		m := placeholder.FindStringSubmatch(text)
		if m == nil {
			return text, nil
		}
		value, err := s.value(ctx, m[1])
		if err != nil {
			return "", fmt.Errorf("%s: %w", m[1], err)
		}
		text = strings.ReplaceAll(text, m[0], value)
	}
}

func (s *scene) value(ctx context.Context, name string) (string, error) {
	if _, made := s.values[name]; !made {
		if err := s.make(ctx, name); err != nil {
			return "", err
		}
	}
	value, made := s.values[name]
	if !made {
		return "", errors.New("there is no such placeholder")
	}
	return value, nil
}

// make takes the step that brings a value about.
func (s *scene) make(ctx context.Context, name string) error {
	switch name {
	case "vm.id", "vm.workspaceId":
		return s.launch(ctx)
	case "vm.publicKey":
		s.values[name] = publicKey('a')
		return nil
	case "vm.foreignKey":
		s.values[name] = publicKey('b')
		return s.step(ctx, "vms-bootstrap", nil)
	case "vm.bootstrapToken":
		return s.readUserData(ctx)
	case "vm.token":
		return s.step(ctx, "vms-bootstrap", map[string]string{"vmToken": name})
	case "vm.runningToken":
		return s.after(ctx, name, "vm.token", "vms-heartbeat")
	case "vm.stoppingToken":
		return s.after(ctx, name, "vm.runningToken", "vms-delete")
	case "vm.freeWorkspaceId":
		return s.free(ctx)
	case "workspace.doomed":
		return s.step(ctx, "workspaces-delete", map[string]string{"id": name})
	case "workspace.rotated":
		return s.rotate(ctx)
	case "backup.id":
		return s.step(ctx, "vms-backup-start", map[string]string{"backupId": name, "recipient": "backup.recipient"})
	case "backup.size", "backup.sha256", "backup.partsSha256":
		return s.describeBackup()
	case "backup.uploadedSize":
		return s.upload(ctx)
	case "provider.name":
		return s.step(ctx, "tenant-provider-add", map[string]string{"type": name})
	case "storage.endpoint":
		s.values[name] = s.player.StorageEndpoint
	}
	return nil
}

// after takes a step and then calls a token by another name: the VM's state is
// what has changed, not its token.
func (s *scene) after(ctx context.Context, name, token, function string) error {
	value, err := s.value(ctx, token)
	if err != nil {
		return err
	}
	if err := s.step(ctx, function, nil); err != nil {
		return err
	}
	s.values[name] = value
	return nil
}

// free ends the VM that holds the workspace: one that never ran goes at once.
func (s *scene) free(ctx context.Context) error {
	id, err := s.value(ctx, "vm.workspaceId")
	if err != nil {
		return err
	}
	s.values["vm.freeWorkspaceId"] = id
	return s.step(ctx, "vms-delete", nil)
}

// rotate saves a workspace, ends its VM, and orders a new key: a sweep then has
// a backup to re-encrypt.
func (s *scene) rotate(ctx context.Context) error {
	id, err := s.value(ctx, "vm.workspaceId")
	if err != nil {
		return err
	}
	if err := s.step(ctx, "vms-backup-complete", nil); err != nil {
		return err
	}
	if _, err := s.play(ctx, "vms-delete", "202-force"); err != nil {
		return fmt.Errorf("end the VM: %w", err)
	}
	s.values["vm.freeWorkspaceId"], s.values["workspace.rotated"] = id, id
	return s.step(ctx, "workspaces-rotate-key", nil)
}

// step plays a function's first good sample, once, and keeps fields of its
// answer under the names of placeholders.
func (s *scene) step(ctx context.Context, function string, keep map[string]string) error {
	if _, done := s.played[function]; !done {
		body, err := s.play(ctx, function, stepOf(function))
		if err != nil {
			return fmt.Errorf("play %s: %w", function, err)
		}
		s.played[function] = body
	}
	var fields map[string]any
	if err := json.Unmarshal(s.played[function], &fields); err != nil {
		return fmt.Errorf("read the answer of %s: %w", function, err)
	}
	for field, name := range keep {
		value, ok := fields[field].(string)
		if !ok {
			return fmt.Errorf("the answer of %s has no %s", function, field)
		}
		s.values[name] = value
	}
	return nil
}

func (s *scene) play(ctx context.Context, function, name string) ([]byte, error) {
	e, err := s.player.sample(function, name)
	if err != nil {
		return nil, err
	}
	text, err := s.fill(ctx, e.Text)
	if err != nil {
		return nil, err
	}
	answer, err := s.player.Invoke(ctx, function, []byte(text))
	if err != nil {
		return nil, err
	}
	if err := e.Check(answer); err != nil {
		return nil, err
	}
	var response events.APIGatewayV2HTTPResponse
	err = json.Unmarshal(answer, &response)
	return []byte(response.Body), err
}

// stepOf names the sample that carries a scene on.
func stepOf(function string) string {
	return map[string]string{
		"vms-create": "201-new-workspace", "vms-bootstrap": "200-first-call", "vms-heartbeat": "200-running",
		"vms-delete": "202-stop", "vms-backup-start": "201-first", "vms-backup-parts": "200-one",
		"vms-backup-complete": "200-verified", "workspaces-delete": "202-free", "workspaces-rotate-key": "202-free",
		"tenant-provider-add": "201-hetzner",
	}[function]
}

func (p *Player) sample(function, name string) (Event, error) {
	for _, e := range p.Events[function] {
		if e.Name == name {
			return e, nil
		}
	}
	return Event{}, fmt.Errorf("%s has no sample %q", function, name)
}
