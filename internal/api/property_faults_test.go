package api_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// disturbances are the calls that the model has fail. Those that the test makes
// itself, as a VM, are not among them.
func disturbances() [][2]string {
	return [][2]string{
		{"dynamodb", "UpdateItem"}, {"dynamodb", "TransactWriteItems"}, {"dynamodb", "BatchGetItem"}, {"dynamodb", "GetItem"}, {"dynamodb", "Query"},
		{"kms", "GenerateDataKey"}, {"kms", "Decrypt"}, {"kms", "Sign"},
		{"hetzner", "CreateServer"}, {"hetzner", "GetServer"}, {"hetzner", "DeleteServer"}, {"hetzner", "ListServers"},
		{"cloudflare", "*"},
		{"s3", "CreateMultipartUpload"}, {"s3", "CompleteMultipartUpload"}, {"s3", "ListParts"}, {"s3", "HeadObject"}, {"s3", "PutObject"},
		{"s3", "AbortMultipartUpload"}, {"s3", "DeleteObjects"}, {"s3", "ListObjectVersions"}, {"s3", "ListMultipartUploads"},
	}
}

// disturb has a call fail in the next step, or its answer be lost. Whoever is
// answered with a failure asks again, as a real client does.
func (m *model) disturb(_ *modelTenant, s step) {
	which := disturbances()[s.Pick%len(disturbances())]
	f := map[string]any{"service": which[0], "operation": which[1], "after": s.Amount / 2 % 3, "count": 1, "mode": "lost_answer"}
	if s.Amount%2 == 0 {
		f["mode"], f["code"] = "error", refusals[which[0]]
	}
	m.deaf = which[0] == "dynamodb" && s.Amount%2 == 0
	m.fault(f)
	m.disturbed, m.patience = true, 4
}

// calm ends a disturbance once a step has met it.
func (m *model) calm(s step) {
	if !m.disturbed || s.Do == "disturb" {
		return
	}
	m.clearFaults()
	m.disturbed, m.deaf, m.shaken, m.patience = false, false, true, 0
	for _, x := range m.tenants {
		for _, vm := range x.live() {
			// The step may have begun to end it, and have got no further.
			vm.letGo = vm.letGo || vm.status == dcm.StatusStopping
		}
	}
}

// settle lets the sweeps come to an end of everything. Then all that is kept
// must add up, whatever has failed before.
func (m *model) settle(_ *modelTenant, _ step) {
	m.clearFaults()
	m.disturbed, m.deaf, m.patience = false, false, 0
	for range 3 {
		m.advance(7 * time.Minute)
		for _, x := range m.tenants {
			for _, vm := range x.live() {
				if vm.booted {
					vm.machine.call("POST", vm.machine.path("/heartbeat"), dcm.Heartbeat{State: dcm.AgentRunning, Phase: dcm.PhaseReady, Runtime: "host"})
				}
			}
		}
		m.sweepAll(nil, step{})
		caller{w: m.world}.call("POST", "/_local/schedules/sweep-orphans", nil).expect(m.t, 200)
	}
	m.check(m.tenants...)
	m.shaken = false
	m.check(m.tenants...)
	for _, x := range m.tenants {
		for _, wrong := range m.breaches(m.books(x.id)) {
			m.t.Errorf("%s: %s", x.id, wrong)
		}
		m.accounts(x)
	}
}

// accounts compares a tenant's usage and its audit log with what was done.
func (m *model) accounts(x *modelTenant) {
	m.t.Helper()
	var all []api.VM
	for cursor := ""; ; {
		page := decode[api.Page[api.VM]](m.t, x.user.call("GET", "/vms?limit=100"+cursor, nil).expect(m.t, 200))
		if all = append(all, page.Items...); page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	x.user.expectUsage(expected(m.t, all...))

	told, launched := map[entry]int{}, map[string]int{}
	for _, e := range x.user.events() {
		switch {
		case e.Actor != dcm.ActorUser:
		case e.Action == "vms-create" && e.Result == dcm.ResultOK:
			launched[e.Resource]++
		case e.Action != "vms-create":
			told[entry{action: e.Action, result: e.Result}]++
		}
	}
	for e := range told {
		x.heard[e] += 0 // so that it is compared
	}
	for e, n := range x.heard {
		if told[e] > n || told[e] < n-x.unheard[e] {
			m.t.Errorf("the audit log of %s tells %d times of %v, the user was told %d times, %d of them while the log may have failed", x.id, told[e], e, n, x.unheard[e])
		}
	}
	for _, vm := range all {
		if launched["vms/"+string(vm.ID)] != 1 {
			m.t.Errorf("the audit log tells %d launches of %s", launched["vms/"+string(vm.ID)], vm.ID)
		}
	}
	if len(launched) != len(all) {
		m.t.Errorf("the audit log tells of %d launches, there were %d", len(launched), len(all))
	}
}

// hear counts what a user was answered, as the audit log must tell it.
func (m *model) hear(c caller, method, path string, a answer) {
	at := slices.IndexFunc(m.tenants, func(x *modelTenant) bool { return x.user.token == c.token })
	if at < 0 || method == "GET" {
		return
	}
	action := map[string]string{
		"DELETE vms": "vms-delete", "POST workspaces": "workspaces-rotate-key", "DELETE workspaces": "workspaces-delete",
		"POST tenant/providers": "tenant-provider-add", "DELETE tenant/providers": "tenant-provider-remove",
		"POST tenant/dns": "tenant-dns-set", "DELETE tenant/dns": "tenant-dns-reset",
		"POST tenant/storage": "tenant-storage-set", "DELETE tenant/storage": "tenant-storage-reset",
	}[method+" "+routeOf(path)]
	if action == "" {
		return // a launch, which is counted by its records
	}
	e := entry{action: action, result: dcm.ResultOK}
	if a.status >= 300 {
		e.result = string(a.problem.Code)
	}
	m.tenants[at].heard[e]++
	if m.deaf {
		m.tenants[at].unheard[e]++
	}
}

// routeOf is a path up to the id in it.
func routeOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if parts[0] == "tenant" && len(parts) > 1 {
		return fmt.Sprintf("%s/%s", parts[0], parts[1])
	}
	return parts[0]
}
