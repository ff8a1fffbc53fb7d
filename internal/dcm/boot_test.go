package dcm_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func TestBootTrace(t *testing.T) {
	t.Parallel()
	trace := dcm.BootTrace{
		Machine: dcm.TenthsOf(2940 * time.Millisecond), Installing: dcm.TenthsOf(-time.Second), Bootstrapping: 2,
		Cloning: dcm.TenthsOf(100 * time.Hour), Preparing: 71, Building: 30, Packages: 38,
	}
	if text := trace.String(); text != "t,0,2,0,zzz,1z,u,12" || *dcm.ParseBootTrace(text) != trace {
		t.Errorf("it is kept as %q", text)
	}
	if ours := trace.Ours(); ours != 4675800*time.Millisecond {
		t.Errorf("ours are %v", ours)
	}
	b, err := json.Marshal(trace)
	if err != nil || string(b) != `{"machineSeconds":2.9,"installingSeconds":0,"bootstrappingSeconds":0.2,"restoringSeconds":0,"cloningSeconds":4665.5,"preparingSeconds":7.1,"buildingSeconds":3,"packagesInstalled":38}` {
		t.Errorf("as JSON: %s, %v", b, err)
	}
	var again dcm.BootTrace
	if err := json.Unmarshal(b, &again); err != nil || again != trace {
		t.Errorf("read back: %+v, %v", again, err)
	}
	for _, bad := range []string{"", "1,2,3,4,5,6,7", "1,2,3,4,5,6,7,8,9", "1,2,3,4,5,6,7,-8", "1,2,3,4,5,6,7,1000", "1,2,3,4,5,6,7,_"} {
		if dcm.ParseBootTrace(bad) != nil {
			t.Errorf("%q was read", bad)
		}
	}
	for _, bad := range []string{`{"machineSeconds":-1}`, `{"machineSeconds":1e9}`, `{"machineSeconds":"1"}`, `{"packagesInstalled":-1}`, `{"packagesInstalled":46656}`, `{"packagesInstalled":1.5}`} {
		if json.Unmarshal([]byte(bad), new(dcm.BootTrace)) == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
