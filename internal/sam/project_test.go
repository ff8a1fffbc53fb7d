package sam_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
)

// Routes that API Gateway lets everyone call: the function itself verifies the
// VM's token. Adding one here is a security decision.
var vmRoutes = []string{
	"POST /vms/{id}/backups",
	"POST /vms/{id}/backups/{backupId}/complete",
	"POST /vms/{id}/backups/{backupId}/parts",
	"POST /vms/{id}/bootstrap",
	"POST /vms/{id}/cleanup",
	"POST /vms/{id}/dns-challenge",
	"POST /vms/{id}/heartbeat",
}

// Routes that everyone may call: they tell nothing about anybody.
var publicRoutes = []string{"GET /docs", "GET /openapi.json"}

func TestRoutesWithoutAuthorizer(t *testing.T) {
	t.Parallel()
	var open []string
	for _, r := range mustProject(t).Routes {
		if r.Authorizer == nil {
			open = append(open, r.Key())
		} else if r.Authorizer.Issuer != "https://issuer.test" {
			t.Errorf("%s trusts %s", r.Key(), r.Authorizer.Issuer)
		}
	}
	slices.Sort(open)
	want := slices.Sorted(slices.Values(slices.Concat(publicRoutes, vmRoutes)))
	if !slices.Equal(open, want) {
		t.Errorf("routes without an authorizer are\n%s\nwant\n%s", strings.Join(open, "\n"), strings.Join(want, "\n"))
	}
}

// One function has one name, in every place that lists functions.
func TestFunctionsAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	template := mustProject(t)
	var declared []string
	for _, f := range template.Functions {
		declared = append(declared, f.Name)
		if want := logicalID(f.Name); f.LogicalID != want {
			t.Errorf("%s is called %s, want %s", f.Dir, f.LogicalID, want)
		}
		if want := "functions/" + f.Name; f.Dir != want {
			t.Errorf("%s is built from %s, want %s", f.LogicalID, f.Dir, want)
		}
		if f.Environment["FUNCTION_NAME"] != f.Name {
			t.Errorf("%s calls itself %q in its metrics", f.Name, f.Environment["FUNCTION_NAME"])
		}
	}
	slices.Sort(declared)
	for _, folder := range []string{"functions", "events"} {
		if found := mustFolders(t, folder); !slices.Equal(found, declared) {
			t.Errorf("%s/ has\n%v\ntemplate.yaml has\n%v", folder, found, declared)
		}
	}
}

func TestEveryFunctionIsReached(t *testing.T) {
	t.Parallel()
	template := mustProject(t)
	reached := map[string]int{}
	for _, r := range template.Routes {
		reached[r.Function]++
	}
	for _, s := range template.Schedules {
		reached[s.Function]++
	}
	for _, f := range template.Functions {
		if reached[f.Name] != 1 {
			t.Errorf("%s has %d routes and schedules, want 1", f.Name, reached[f.Name])
		}
		memory := 256
		switch f.Name {
		case "sweep-keys":
			memory = 1769 // a whole processor, for encryption
		case "sweep-vms", "sweep-orphans":
			memory = 512 // several storages at once, which answer what they like
		}
		if f.Runtime != "provided.al2023" || f.Architecture != "arm64" || f.MemoryMB != memory {
			t.Errorf("%s runs on %s %s with %d MB", f.Name, f.Runtime, f.Architecture, f.MemoryMB)
		}
	}
}

func TestTableIsTheStores(t *testing.T) {
	t.Parallel()
	table, schema := mustProject(t).Table("Table"), store.TableSchema()
	if table == nil {
		t.Fatal("template.yaml has no Table")
	}
	if !reflect.DeepEqual(table.Attributes, schema.Attributes) {
		t.Errorf("attributes are %v, the store wants %v", table.Attributes, schema.Attributes)
	}
	if want := (sam.KeySchema{Hash: schema.HashKey, Range: schema.RangeKey}); table.Key != want {
		t.Errorf("key is %v, the store wants %v", table.Key, want)
	}
	if table.TTLAttribute != schema.TTLAttribute {
		t.Errorf("TTL attribute is %q, the store wants %q", table.TTLAttribute, schema.TTLAttribute)
	}
	var wanted []sam.Index
	for _, i := range schema.Indexes {
		wanted = append(wanted, sam.Index{Name: i.Name, Key: sam.KeySchema{Hash: i.HashKey, Range: i.RangeKey}, Projection: i.Projection})
	}
	if !reflect.DeepEqual(table.Indexes, wanted) {
		t.Errorf("indexes are %+v, the store wants %+v", table.Indexes, wanted)
	}
	if !table.PointInTime || !table.DeletionProtection {
		t.Error("the table can be lost: no point-in-time recovery or no deletion protection")
	}
}

// No statement reaches beyond this installation's own resources, and only the
// functions that talk to a provider can read its token.
func TestRolesAreNarrow(t *testing.T) {
	t.Parallel()
	providers := []string{"sweep-orphans", "sweep-vms", "vms-cleanup", "vms-create", "vms-delete"}
	var readers []string
	for _, f := range mustProject(t).Functions {
		if public := slices.Contains([]string{"docs-get", "openapi-get"}, f.Name); (len(f.Statements) == 0) != public {
			t.Errorf("%s has %d statements", f.Name, len(f.Statements))
		}
		for _, s := range f.Statements {
			for _, a := range s.Actions {
				if strings.Contains(a, "*") {
					t.Errorf("%s: %s allows %s", f.Name, s.ID, a)
				}
			}
			for _, r := range s.Resources {
				if strings.Count(r, ":") < 5 || strings.HasSuffix(r, ":*") || strings.HasSuffix(r, ":::*") {
					t.Errorf("%s: %s allows all of %s", f.Name, s.ID, r)
				}
			}
			if slices.Contains(s.Actions, "ssm:GetParameter") {
				readers = append(readers, f.Name)
			}
		}
		_, hasToken := f.Environment["HCLOUD_TOKEN_PARAMETER"]
		if want := slices.Contains(providers, f.Name); hasToken != want {
			t.Errorf("%s is told the provider token's name: %v, want %v", f.Name, hasToken, want)
		}
	}
	slices.Sort(readers)
	secrets := slices.Sorted(slices.Values(append([]string{"vms-dns-challenge"}, providers...)))
	if !slices.Equal(readers, secrets) {
		t.Errorf("%v may read the platform's secrets, want %v", readers, secrets)
	}
}

// mayOpen says whose role opens what is sealed, by its purpose. Adding a
// function to a line is a security decision. Tokens for providers and DNS are
// under the tenant's accounts key, which the two that add them must open; those
// that use them also open one that is under a key of its own.
var mayOpen = map[string][]string{
	"terminal-password":   {"vms-bootstrap", "vms-create"},
	"workspace-key":       {"sweep-keys", "vms-bootstrap"},
	"provider-credential": {"sweep-orphans", "sweep-vms", "vms-bootstrap", "vms-cleanup", "vms-create", "vms-delete"},
	"dns-credential":      {"sweep-orphans", "sweep-vms", "vms-cleanup", "vms-create", "vms-delete", "vms-dns-challenge"},
	"accounts-key": {
		"sweep-orphans", "sweep-vms", "tenant-dns-set", "tenant-provider-add", "vms-bootstrap", "vms-cleanup", "vms-create", "vms-delete",
		"vms-dns-challenge",
	},
	"storage-credential": {
		"sweep-keys", "sweep-orphans", "sweep-vms", "vms-backup-complete", "vms-backup-parts", "vms-backup-start",
		"vms-bootstrap", "vms-cleanup", "vms-delete",
	},
	"another": nil,
}

func TestWhoMayOpenWhatIsSealed(t *testing.T) {
	t.Parallel()
	template := mustProject(t)
	for purpose, want := range mayOpen {
		open := func(installation string) (found []string) {
			for _, f := range template.Functions {
				if f.Allows(sam.Access{Action: "kms:Decrypt", Resource: dataKeyARN, Context: map[string][]string{
					"kms:EncryptionContext:installation": {installation},
					"kms:EncryptionContext:purpose":      {purpose},
				}}) {
					found = append(found, f.Name)
				}
			}
			slices.Sort(found)
			return found
		}
		if got := open(template.Functions[0].Environment["INSTALLATION"]); !slices.Equal(got, want) {
			t.Errorf("%s is opened by\n%s\nwant\n%s", purpose, got, want)
		}
		if got := open("another"); len(got) > 0 {
			t.Errorf("%s of another installation is opened by %s", purpose, got)
		}
	}
}

const dataKeyARN = "arn:aws:kms:eu-central-1:000000000000:key/DataKey"

func TestEveryFunctionHasAnAlarm(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "infra", "monitoring.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range mustProject(t).Functions {
		name := strings.TrimSuffix(f.LogicalID, "Function") + "Failures:"
		if !strings.Contains(string(text), name) || strings.Count(string(text), `"${Prefix}-`+f.Name+`"`) != 2 {
			t.Errorf("infra/monitoring.yaml has no %s with errors and throttles of %s", name, f.Name)
		}
	}
}

// TestEverySweepHasItsAlarms: one for its absence, one for being late, one for
// items that fail.
func TestEverySweepHasItsAlarms(t *testing.T) {
	t.Parallel()
	text := mustRead(t, "infra", "monitoring.yaml")
	sweeps := 0
	for _, f := range mustProject(t).Functions {
		if !strings.HasPrefix(f.Name, "sweep-") {
			continue
		}
		sweeps++
		for alarm, metric := range map[string]string{"Missing": "SweepSuccess", "Late": "OldestDueSeconds", "ItemsFail": "SweepItemsFailed"} {
			_, rest, found := strings.Cut(text, "\n  "+strings.TrimSuffix(f.LogicalID, "Function")+alarm+":\n")
			body, _, _ := strings.Cut(rest, "\n\n")
			if absent := strings.Contains(body, "TreatMissingData: breaching\n"); absent != (alarm == "Missing") {
				t.Errorf("%s%s: silence is an alarm: %t", f.Name, alarm, absent)
			}
			if !found || !strings.Contains(body, "MetricName: "+metric+"\n") || !strings.Contains(body, "Value: "+f.Name+"}") {
				t.Errorf("%s has no alarm %s on its %s", f.Name, alarm, metric)
			}
		}
	}
	if sweeps < 3 {
		t.Errorf("%d sweeps", sweeps)
	}
}

// TestAlarmsWatchWhatIsCounted: an alarm on a metric that nothing writes would
// never fire.
func TestAlarmsWatchWhatIsCounted(t *testing.T) {
	t.Parallel()
	counted := mustRead(t, "internal", "dcm", "meter.go")
	watched := 0
	for alarm := range strings.SplitSeq(mustRead(t, "infra", "monitoring.yaml"), "Namespace: DevcontainerManager\n") {
		name, _, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(alarm), "MetricName: "), "\n")
		if !found || !strings.HasPrefix(strings.TrimSpace(alarm), "MetricName: ") {
			continue
		}
		watched++
		if !strings.Contains(counted, `Metric = "`+name+`"`) {
			t.Errorf("an alarm watches %s, which nothing counts", name)
		}
	}
	for _, metric := range []string{"OrphanMinutes", "OrphanCapReached", "OrphansUnclear", "WorkLost", "BootstrapTheft", "BackupFailed", "AuditFailed"} {
		if !strings.Contains(mustRead(t, "infra", "monitoring.yaml"), "MetricName: "+metric+"\n") {
			t.Errorf("no alarm watches %s", metric)
		}
	}
	if watched < 10 {
		t.Errorf("%d alarms on metrics of ours", watched)
	}
}

func mustRead(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const root = "../.."

func mustProject(t *testing.T) *sam.Template {
	t.Helper()
	template, err := sam.Load(filepath.Join(root, "template.yaml"), sam.Options{Parameters: map[string]string{
		"BaseDomain": "example.test", "CloudflareZoneId": "zone", "JwtIssuer": "https://issuer.test",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func mustFolders(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// logicalID turns vms-create into VmsCreateFunction.
func logicalID(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String() + "Function"
}
