package app

import (
	"encoding/json"
	"io"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Namespace is where CloudWatch finds our metrics.
const Namespace = "DevcontainerManager"

// meter writes metrics as log lines in CloudWatch's embedded metric format,
// which costs no call.
type meter struct {
	out          io.Writer
	clock        dcm.Clock
	installation string
	function     string
}

// Count writes one line.
func (m *meter) Count(name dcm.Metric, n int) { m.write(name, "Count", n) }

// Lasted writes one line, in seconds.
func (m *meter) Lasted(name dcm.Metric, d time.Duration) { m.write(name, "Seconds", d.Seconds()) }

func (m *meter) write(name dcm.Metric, unit string, value any) {
	line, err := json.Marshal(map[string]any{
		"_aws": map[string]any{
			"Timestamp": m.clock.Now().UnixMilli(),
			"CloudWatchMetrics": []any{map[string]any{
				"Namespace":  Namespace,
				"Dimensions": [][]string{{"Installation"}, {"Installation", "Function"}},
				"Metrics":    []any{map[string]string{"Name": string(name), "Unit": unit}},
			}},
		},
		"Installation": m.installation, "Function": m.function, string(name): value,
	})
	if err == nil {
		_, _ = m.out.Write(append(line, '\n'))
	}
}
