package httpapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// book keeps what is recorded, or fails.
type book struct {
	entries map[dcm.TenantID][]dcm.Event
	err     error
	// live says whether the context was, when the entry came.
	live bool
}

func (b *book) Record(ctx context.Context, t dcm.TenantID, e dcm.Event) error {
	b.live = ctx.Err() == nil
	if b.err != nil {
		return b.err
	}
	if b.entries == nil {
		b.entries = map[dcm.TenantID][]dcm.Event{}
	}
	b.entries[t] = append(b.entries[t], e)
	return nil
}

type counts map[dcm.Metric]int

func (c counts) Count(m dcm.Metric, n int) { c[m] += n }

func (counts) Lasted(dcm.Metric, time.Duration) {}

type fixedClock struct{}

func (fixedClock) Now() time.Time { return time.Unix(1795500000, 0).UTC() }

func newAudited(b *book, random io.Reader) (*harness, counts) {
	h, c := newHarness(), counts{}
	h.options.Audit = &httpapi.Audit{Recorder: b, Clock: fixedClock{}, Random: random, Log: h.options.Log, Meter: c}
	return h, c
}

func changing(handle func(context.Context, *httpapi.Request) (httpapi.Response, error)) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name: "vms-delete", Permission: dcm.PermissionVMsWrite, Audit: httpapi.AuditPath("vms"), Handle: handle,
	}
}

func writer(id string) events.APIGatewayV2HTTPRequest {
	e := event(map[string]string{"sub": "u1", "tenant_id": "acme", "scope": "vms:write"})
	e.PathParameters = map[string]string{"id": id}
	e.RequestContext.HTTP.SourceIP = "198.51.100.7"
	return e
}

func TestAuditOfACall(t *testing.T) {
	t.Parallel()
	b := &book{}
	h, _ := newAudited(b, rand.Reader)
	h.call(t, changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) { return httpapi.JSON(202, nil), nil }), writer("vm-a"))
	h.call(t, changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{}, dcm.Errorf(dcm.CodeConflict, "no")
	}), writer("vm-b"))
	h.call(t, changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) { panic("x") }), writer("vm-c"))
	reading := writer("vm-d")
	reading.RequestContext.Authorizer.JWT.Claims["scope"] = "vms:read"
	h.call(t, changing(nil), reading)
	bad := writer("vm-e")
	bad.RawQueryString = "a=%zz"
	h.call(t, changing(nil), bad)
	h.call(t, changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{Status: 202, Resource: "vms/vm-other"}, nil
	}), writer("vm-f"))
	var got []string
	for _, e := range b.entries["acme"] {
		got = append(got, e.Resource+" "+e.Result)
		if !strings.HasPrefix(e.ID, "ev-") || e.At != (fixedClock{}).Now() || e.User != "u1" || e.Actor != dcm.ActorUser ||
			e.SourceIP != "198.51.100.7" || e.Action != "vms-delete" || e.RequestID != "req-1" {
			t.Errorf("entry %+v", e)
		}
	}
	want := []string{"vms/vm-a ok", "vms/vm-b conflict", "vms/vm-c internal", "vms/vm-d forbidden", "vms/vm-e invalid", "vms/vm-other ok"}
	if !slices.Equal(got, want) || len(b.entries) != 1 {
		t.Errorf("entries %q, want %q", got, want)
	}
}

func TestWhatIsNotAudited(t *testing.T) {
	t.Parallel()
	b := &book{}
	h, _ := newAudited(b, rand.Reader)
	// Nobody knows whose log it would be.
	h.call(t, changing(nil), event(nil))
	// Nothing changes.
	h.call(t, endpoint(func(context.Context, *httpapi.Request) (httpapi.Response, error) { return httpapi.JSON(200, nil), nil }), event(reader))
	// It is in the log already.
	h.call(t, changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{Status: 202, Audited: true}, nil
	}), writer("vm-a"))
	if len(b.entries) != 0 {
		t.Errorf("entries %+v", b.entries)
	}
	// A failure never is.
	h.call(t, changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{Audited: true}, errors.New("x")
	}), writer("vm-a"))
	if len(b.entries["acme"]) != 1 {
		t.Errorf("entries %+v", b.entries)
	}
}

func TestAuditOfAVM(t *testing.T) {
	t.Parallel()
	b := &book{}
	h, _ := newAudited(b, rand.Reader)
	h.options.Tokens = tokens{good: "good", claim: dcm.TokenClaims{Audience: dcm.AudienceVM, Tenant: "acme", VM: "vm-a"}}
	e := httpapi.Endpoint{Name: "vms-cleanup", Audience: dcm.AudienceVM, Audit: httpapi.AuditPath("vms"),
		Handle: func(context.Context, *httpapi.Request) (httpapi.Response, error) { return httpapi.JSON(202, nil), nil }}
	in := event(nil)
	in.PathParameters = map[string]string{"id": "vm-a"}
	in.Headers = map[string]string{"authorization": "Bearer good"}
	h.call(t, e, in)
	in.PathParameters = map[string]string{"id": "vm-b"}
	h.call(t, e, in)
	if got := b.entries["acme"]; len(got) != 1 || got[0].Actor != dcm.ActorVM || got[0].User != "" || got[0].Resource != "vms/vm-a" {
		t.Errorf("entries %+v", got)
	}
}

func TestAuditFailureIsToldOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		random io.Reader
	}{
		"the table":  {errors.New("throttled"), rand.Reader},
		"randomness": {nil, bytes.NewReader(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, meter := newAudited(&book{err: c.err}, c.random)
			out, _ := h.call(t, changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) {
				return httpapi.JSON(202, "done"), nil
			}), writer("vm-a"))
			if out.StatusCode != 202 || out.Body != `"done"` {
				t.Errorf("answer %+v", out)
			}
			if meter[dcm.MetricAuditFailed] != 1 || !strings.Contains(h.log.String(), "the audit log misses an entry") {
				t.Errorf("counted %v, log %s", meter, h.log.String())
			}
		})
	}
}

// TestAuditOutlivesItsCaller: whoever hung up is in the log all the same.
func TestAuditOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	b := &book{}
	h, _ := newAudited(b, rand.Reader)
	ctx, cancel := context.WithCancel(t.Context())
	e := changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		cancel()
		return httpapi.JSON(202, nil), nil
	})
	if _, err := httpapi.New(e, h.options)(ctx, writer("vm-a")); err != nil {
		t.Fatal(err)
	}
	if len(b.entries["acme"]) != 1 || !b.live {
		t.Errorf("entries %+v, live %v", b.entries, b.live)
	}
}

// TestAuditOfThePlatform: what its owner changes of a tenant is in both logs,
// in the tenant's without a name; a failure is in its own only.
func TestAuditOfThePlatform(t *testing.T) {
	t.Parallel()
	b := &book{}
	h, _ := newAudited(b, rand.Reader)
	var fail error
	e := changing(func(context.Context, *httpapi.Request) (httpapi.Response, error) {
		return httpapi.Response{Status: 200, Tenant: "other"}, fail
	})
	h.call(t, e, writer("other"))
	fail = dcm.Errorf(dcm.CodeInvalid, "no")
	h.call(t, e, writer("other"))
	if got := b.entries["acme"]; len(got) != 2 || got[0].User != "u1" {
		t.Errorf("the owner's log %+v", got)
	}
	if got := b.entries["other"]; len(got) != 1 || got[0].Actor != dcm.ActorPlatform || got[0].User != "" || got[0].SourceIP != "" {
		t.Errorf("the tenant's log %+v", got)
	}
}
