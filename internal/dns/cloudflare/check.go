package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// cleanupTimeout is how long Check goes on past its context to leave nothing
// behind.
const cleanupTimeout = 10 * time.Second

// domainPattern leaves room for the labels that a VM's name puts in front.
var domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

const maxDomainBytes = 150

// Check creates and deletes a TXT record: two calls. Which zone it is needs no
// third, nor a permission to read zones: Cloudflare appends the zone's name to
// one that is not within it, and the answer shows that.
//
// Whatever may have been created is deleted, even past the end of ctx. Where
// the answer to the creation was lost, it is looked for by its comment.
func (d *DNS) Check(ctx context.Context, z dcm.DNSZone, baseDomain string, owner dcm.DNSOwnership) error {
	const op = "check DNS zone"
	base := strings.ToLower(baseDomain)
	if len(base) > maxDomainBytes || !domainPattern.MatchString(base) {
		return &dcm.ProviderError{Kind: dcm.KindInvalid, Op: op, Message: "the base domain is not the name of a domain"}
	}
	record := dcm.CheckRecord(owner, base)
	ids, err := d.create(ctx, z, op, []dcm.DNSRecord{record})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err != nil {
		return d.unchecked(ctx, z, record, err)
	}
	if err := d.unprobe(ctx, z, ids[0]); err != nil {
		return &dcm.LeftoverError{Record: record, Err: err}
	}
	return nil
}

// unprobe deletes the record, with a second try for an answer that was lost.
func (d *DNS) unprobe(ctx context.Context, z dcm.DNSZone, id string) error {
	err := d.Withdraw(ctx, z, id)
	if dcm.KindOf(err) == dcm.KindUnavailable {
		err = d.Withdraw(ctx, z, id)
	}
	return err
}

// unchecked cleans up after a creation that failed, or seemed to.
func (d *DNS) unchecked(ctx context.Context, z dcm.DNSZone, record dcm.DNSRecord, cause error) error {
	e, ok := errors.AsType[*dcm.ProviderError](cause)
	if !ok || e.Kind != dcm.KindUnavailable && e.Kind != dcm.KindInvalid {
		return cause // Cloudflare refused it
	}
	made, err := d.Find(ctx, z, record.Comment, false)
	for _, r := range made {
		err = errors.Join(err, d.unprobe(ctx, z, r.ID))
	}
	if err == nil {
		return cause
	}
	both := *e
	both.Err = errors.Join(e.Err, fmt.Errorf("delete the record of the check: %w", err))
	return &dcm.LeftoverError{Record: record, Err: &both}
}
