package sweep_test

import (
	"encoding/json"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// TestOrder: a payload that is not understood is neither a run nor a dry run.
func TestOrder(t *testing.T) {
	t.Parallel()
	for payload, dry := range map[string]bool{
		`{}`: false, ` null `: false, `{"dryRun":false}`: false, `{"dryRun":true}`: true, ` { "dryRun" : true } `: true,
		`{"version":"0","source":"aws.events","detail-type":"Scheduled Event","detail":{}}`:                                                             false,
		`{"version":"0","source":"aws.scheduler","detail-type":"Scheduled Event","detail":{}}`:                                                          false,
		`{"source":"aws.events","detail-type":"Scheduled Event","dryRun":true}`:                                                                         true,
		`{"version":"0","id":"1","source":"aws.events","detail-type":"Scheduled Event","account":"1","time":"","region":"","resources":[],"detail":{}}`: false,
	} {
		o := sweep.Order{DryRun: !dry}
		if err := json.Unmarshal([]byte(payload), &o); err != nil || o.DryRun != dry {
			t.Errorf("%s: %+v, %v", payload, o, err)
		}
	}
	for _, payload := range []string{
		``, `[1]`, `"x"`, `true`, `"{\"dryRun\": true}"`, `[{"dryRun":true}]`, `{"dryRun":true`,
		`{"dryRun":"true"}`, `{"dryRun":1}`, `{"dryRun":null}`, `{"dryRun":[true]}`,
		`{"careful":true}`, `{"Careful":true}`, `{"dry_run":true}`, `{"DryRun":true}`, `{"dryrun":true}`, `{"dryRun":true,"vm":"vm-1"}`, `{"source":"me"}`,
		`{"source":"x","detail-type":"y","dry_run":true}`, `{"source":"x","detail-type":"y","vm":"vm-1"}`, `{"detail":{}}`,
	} {
		var o sweep.Order
		if err := json.Unmarshal([]byte(payload), &o); err == nil {
			t.Errorf("%s is taken for %+v", payload, o)
		}
	}
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"dryRun":true}`))
	f.Add([]byte(`{"source":"aws.events","detail-type":"Scheduled Event","detail":{"dryRun":true}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var o sweep.Order
		if err := json.Unmarshal(payload, &o); err != nil && o.DryRun {
			t.Errorf("%s is refused, and taken for a dry run", payload)
		}
	})
}
