// Package api holds the endpoints, a file each: decode, authorise, call the
// lifecycle, encode. The file is named after the function: functions/vms-create
// is vms_create.go.
package api

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

// vmID is the VM in the path. An id that can't exist answers as one that
// doesn't.
func vmID(r *httpapi.Request) (dcm.VMID, error) {
	id := dcm.VMID(r.Path["id"])
	if !id.Valid() {
		return "", errNoVM
	}
	return id, nil
}

// origin is where the call came from.
func origin(r *httpapi.Request) lifecycle.Origin {
	return lifecycle.Origin{SourceIP: r.SourceIP, RequestID: r.RequestID}
}

var (
	errNoVM        = dcm.Errorf(dcm.CodeNotFound, "there is no such VM")
	errNoWorkspace = dcm.Errorf(dcm.CodeNotFound, "there is no such workspace")
)

// notFoundAs answers every not-found alike, whatever the store said.
func notFoundAs(err error, as *dcm.Error) error {
	if dcm.ErrorCode(err) == dcm.CodeNotFound {
		return as.WithCause(err)
	}
	return err
}
