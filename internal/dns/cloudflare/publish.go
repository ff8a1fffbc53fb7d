package cloudflare

import (
	"context"
	"fmt"

	"github.com/cloudflare/cloudflare-go/v7/dns"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Publish creates the records with one call: one record by itself, several as
// a batch, which Cloudflare does entirely or not at all. Only when a record
// exists already are there two more: one that looks for ours by its comment,
// and one that creates what is still missing.
//
// KindExists is left for a record of somebody else's that stands in the way.
func (d *DNS) Publish(ctx context.Context, z dcm.DNSZone, records []dcm.DNSRecord) ([]string, error) {
	const op = "publish DNS records"
	for _, r := range records {
		if r.Comment == "" {
			return nil, &dcm.ProviderError{Kind: dcm.KindInvalid, Op: op, Message: "a record without a comment could not be found again"}
		}
	}
	if len(records) == 0 {
		return nil, nil
	}
	ids, err := d.create(ctx, z, op, records)
	if dcm.KindOf(err) != dcm.KindExists {
		return ids, err
	}
	return d.adopt(ctx, z, op, records, err)
}

// adopt takes over the records that an earlier try published, and creates the
// others. exists is the failure that brought us here.
func (d *DNS) adopt(ctx context.Context, z dcm.DNSZone, op string, records []dcm.DNSRecord, exists error) ([]string, error) {
	ids := make([]string, len(records))
	found := map[string][]dcm.DNSRecord{}
	var missing []dcm.DNSRecord
	var places []int
	for i, r := range records {
		known, ok := found[r.Comment]
		if !ok {
			var err error
			if known, err = d.Find(ctx, z, r.Comment, false); err != nil {
				return nil, err
			}
			found[r.Comment] = known
		}
		if ids[i] = idOf(r, known); ids[i] == "" {
			missing, places = append(missing, r), append(places, i)
		}
	}
	if len(missing) == len(records) {
		return nil, exists
	}
	if len(missing) == 0 {
		return ids, nil
	}
	created, err := d.create(ctx, z, op, missing)
	if err != nil {
		return nil, err
	}
	for i, id := range created {
		ids[places[i]] = id
	}
	return ids, nil
}

// create makes the records with one call and returns their ids in order.
func (d *DNS) create(ctx context.Context, z dcm.DNSZone, op string, records []dcm.DNSRecord) ([]string, error) {
	c, err := d.begin(op, z)
	if err != nil {
		return nil, err
	}
	var made []dns.RecordResponse
	if len(records) == 1 {
		made, err = c.createOne(ctx, z.ZoneID, records[0])
	} else {
		made, err = c.createBatch(ctx, z.ZoneID, records)
	}
	if err != nil {
		return nil, c.failed(err)
	}
	return d.confirm(ctx, z, op, records, made)
}

func (c *call) createOne(ctx context.Context, zone string, r dcm.DNSRecord) ([]dns.RecordResponse, error) {
	var body dns.RecordNewParamsBody
	body.Name.Value, body.Name.Present = r.Name, true
	body.Type.Value, body.Type.Present = dns.RecordNewParamsBodyType(r.Type), true
	body.Content.Value, body.Content.Present = wireContent(r), true
	body.TTL.Value, body.TTL.Present = dns.TTL(r.TTL), true
	body.Comment.Value, body.Comment.Present = r.Comment, true
	body.Proxied.Value, body.Proxied.Present = false, true
	var params dns.RecordNewParams
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	params.Body = body
	made, err := c.records.New(ctx, params)
	if err != nil {
		return nil, err
	}
	return []dns.RecordResponse{*made}, nil
}

func (c *call) createBatch(ctx context.Context, zone string, records []dcm.DNSRecord) ([]dns.RecordResponse, error) {
	var params dns.RecordBatchParams
	params.ZoneID.Value, params.ZoneID.Present = zone, true
	for _, r := range records {
		var post dns.RecordBatchParamsPost
		post.Name.Value, post.Name.Present = r.Name, true
		post.Type.Value, post.Type.Present = dns.RecordBatchParamsPostsType(r.Type), true
		post.Content.Value, post.Content.Present = wireContent(r), true
		post.TTL.Value, post.TTL.Present = dns.TTL(r.TTL), true
		post.Comment.Value, post.Comment.Present = r.Comment, true
		post.Proxied.Value, post.Proxied.Present = false, true
		params.Posts.Value = append(params.Posts.Value, post)
	}
	params.Posts.Present = true
	made, err := c.records.Batch(ctx, params)
	if err != nil {
		return nil, err
	}
	return made.Posts, nil
}

// confirm returns the new records' ids. Cloudflare appends the zone's name to
// a name that is not within the zone, and says nothing: such a record is
// useless, so it is taken back.
func (d *DNS) confirm(ctx context.Context, z dcm.DNSZone, op string, records []dcm.DNSRecord, made []dns.RecordResponse) ([]string, error) {
	got := make([]dcm.DNSRecord, len(made))
	for i, r := range made {
		if got[i] = record(r); got[i].ID == "" {
			return nil, incomplete(op)
		}
	}
	if len(got) != len(records) {
		return nil, incomplete(op)
	}
	ids := make([]string, len(records))
	for i, r := range records {
		if ids[i] = idOf(r, got); ids[i] == "" {
			return nil, d.takeBack(ctx, z, op, r, got)
		}
	}
	return ids, nil
}

// takeBack withdraws what was published wrongly. What that leaves, if it
// fails, carries the VM's comment and goes with the VM.
func (d *DNS) takeBack(ctx context.Context, z dcm.DNSZone, op string, wanted dcm.DNSRecord, got []dcm.DNSRecord) error {
	e := &dcm.ProviderError{
		Kind: dcm.KindInvalid, Op: op,
		Message: fmt.Sprintf("Cloudflare changed the record for %s; is it within the zone?", wanted.Name),
	}
	for _, r := range got {
		if err := d.Withdraw(ctx, z, r.ID); err != nil && e.Err == nil {
			e.Err = fmt.Errorf("take back record %s: %w", r.ID, err)
		}
	}
	return e
}
