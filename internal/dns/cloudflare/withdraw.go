package cloudflare

import (
	"context"
	"fmt"
	"slices"

	"github.com/cloudflare/cloudflare-go/v7/dns"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const withdrawOp = "withdraw DNS records"

// batchSize is how many records a batch may change on the smallest plan.
const batchSize = 200

// Withdraw deletes records: exactly one call for one, and one for up to 200 as
// a batch, which Cloudflare does entirely or not at all. Only a batch that names
// a record which is gone is followed by a call for each of its records.
// KindNotFound means that Cloudflare does not know the zone itself.
func (d *DNS) Withdraw(ctx context.Context, z dcm.DNSZone, ids ...string) error {
	for _, id := range ids {
		if !identifier.MatchString(id) {
			return &dcm.ProviderError{Kind: dcm.KindInvalid, Op: withdrawOp, Message: fmt.Sprintf("%q is not a Cloudflare record id", id)}
		}
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for some := range slices.Chunk(ids, batchSize) {
		if err := d.withdraw(ctx, z, some); err != nil {
			return err
		}
	}
	return nil
}

func (d *DNS) withdraw(ctx context.Context, z dcm.DNSZone, ids []string) error {
	if len(ids) > 1 {
		refused, err := d.deleteBatch(ctx, z, ids)
		if !refused {
			return err
		}
	}
	for _, id := range ids {
		if err := d.deleteOne(ctx, z, id); err != nil {
			return err
		}
	}
	return nil
}

// deleteBatch reports as refused what Cloudflare had something against, and not
// done. Which code a batch has for a record that is gone is not documented; the
// deletion of one record by itself is clear.
func (d *DNS) deleteBatch(ctx context.Context, z dcm.DNSZone, ids []string) (refused bool, err error) {
	c, err := d.begin(withdrawOp, z)
	if err != nil {
		return false, err
	}
	var params dns.RecordBatchParams
	params.ZoneID.Value, params.ZoneID.Present = z.ZoneID, true
	for _, id := range ids {
		var one dns.RecordBatchParamsDelete
		one.ID.Value, one.ID.Present = id, true
		params.Deletes.Value = append(params.Deletes.Value, one)
	}
	params.Deletes.Present = true
	done, err := c.records.Batch(ctx, params)
	if err != nil {
		failed := c.failed(err)
		return hasCode(err, codeNoRecord) || dcm.KindOf(failed) == dcm.KindInvalid, failed
	}
	for _, id := range ids {
		if !slices.ContainsFunc(done.Deletes, func(r dns.RecordResponse) bool { return r.ID == id }) {
			return false, incomplete(withdrawOp)
		}
	}
	return false, nil
}

func (d *DNS) deleteOne(ctx context.Context, z dcm.DNSZone, id string) error {
	c, err := d.begin(withdrawOp, z)
	if err != nil {
		return err
	}
	var params dns.RecordDeleteParams
	params.ZoneID.Value, params.ZoneID.Present = z.ZoneID, true
	gone, err := c.records.Delete(ctx, id, params)
	switch {
	case hasCode(err, codeNoRecord):
		return nil
	case err != nil:
		return c.failed(err)
	case gone.ID != id:
		return incomplete(withdrawOp)
	default:
		return nil
	}
}
