package dcm

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// DNSZone is a zone and the credential that may write it. Like every
// credential it is an argument, never state.
type DNSZone struct {
	ZoneID string
	Token  Secret
}

// DNSPlacement is where a VM's records live.
type DNSPlacement struct {
	ZoneID string
	// AccountID is the account that opens the zone.
	AccountID AccountID
	// RecordIDs are the published records; empty while there are none, or
	// when the answer that named them was lost.
	RecordIDs []string
}

// DNSRecord is one record. TTL is in seconds.
type DNSRecord struct {
	ID      string
	Name    string
	Type    string
	Content string
	TTL     int
	Comment string
	// CreatedAt is when the service made it; zero if it did not say.
	CreatedAt time.Time
}

// RecordTTLSeconds is the TTL of every record we publish.
const RecordTTLSeconds = 60

// DNS publishes records. Every error is a *ProviderError.
type DNS interface {
	// Publish creates the records in one call and returns their ids, in the
	// same order. A record that exists already with the same name, type,
	// content and comment is an earlier try that succeeded: it is adopted.
	Publish(ctx context.Context, z DNSZone, records []DNSRecord) ([]string, error)
	// Withdraw deletes records: in one call, unless some of several are gone
	// already, which is success.
	Withdraw(ctx context.Context, z DNSZone, ids ...string) error
	// Find returns every record with exactly this comment, over all pages; a
	// failed page fails the call. With prefix true, every record whose
	// comment begins with it.
	Find(ctx context.Context, z DNSZone, comment string, prefix bool) ([]DNSRecord, error)
	// Check proves that the zone holds baseDomain and can be written, by
	// creating and deleting a TXT record under it, which says whose it is: see
	// CheckRecord. KindAuth, KindNotFound (no such zone), KindInvalid (the domain
	// is not in the zone). LeftoverError, in the chain, if the record may be left.
	Check(ctx context.Context, z DNSZone, baseDomain string, owner DNSOwnership) error
}

// DNSComment is the comment on every record of a VM: it tells a sweep whose
// the record is. At most 100 characters (Cloudflare's limit on its free plan).
func DNSComment(installation string, t TenantID, v VMID) string {
	return DNSCommentPrefix(installation) + string(t) + "/" + string(v)
}

// DNSOwnership is whose a record is.
type DNSOwnership struct {
	Installation string
	Tenant       TenantID
	VM           VMID
}

// LeftoverError says that a check of a zone may have left its record there.
type LeftoverError struct {
	Record DNSRecord
	Err    error
}

func (e *LeftoverError) Error() string {
	return fmt.Sprintf("%s %s may be left: %v", e.Record.Type, e.Record.Name, e.Err)
}

// Unwrap returns why the check, or the deletion of its record, failed.
func (e *LeftoverError) Unwrap() error { return e.Err }

// CheckRecord is what a check of a zone makes. It is marked as that of a VM which
// never was, so that sweep-orphans finds one that a check left behind.
func CheckRecord(o DNSOwnership, baseDomain string) DNSRecord {
	return DNSRecord{
		Name: fmt.Sprintf("%s.%s.%s", CheckLabel, o.VM, baseDomain), Type: "TXT", Content: "may be deleted",
		TTL: RecordTTLSeconds, Comment: DNSComment(o.Installation, o.Tenant, o.VM),
	}
}

// DNSCommentPrefix begins the comment on every record of an installation.
func DNSCommentPrefix(installation string) string { return "dcm/" + installation + "/" }

// Hostname is a VM's name in DNS: {vm}.{subdomain}.vm.{base}, without the
// subdomain where it is empty.
func Hostname(v VMID, subdomain, baseDomain string) string {
	if subdomain == "" {
		return fmt.Sprintf("%s.vm.%s", v, baseDomain)
	}
	return fmt.Sprintf("%s.%s.vm.%s", v, subdomain, baseDomain)
}

// AddressRecords returns the wildcard records for a server's addresses.
// Addresses that are empty, unspecified or unparsable are left out: publishing
// one would send a user's traffic nowhere, or elsewhere.
func AddressRecords(hostname, ipv4, ipv6, comment string) []DNSRecord {
	var records []DNSRecord
	add := func(kind, address string, fits func(netip.Addr) bool) {
		ip, err := netip.ParseAddr(strings.TrimSpace(address))
		if err != nil || ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" || !fits(ip) {
			return
		}
		records = append(records, DNSRecord{
			Name: "*." + hostname, Type: kind, Content: ip.String(), TTL: RecordTTLSeconds, Comment: comment,
		})
	}
	add("A", ipv4, netip.Addr.Is4)
	add("AAAA", ipv6, func(ip netip.Addr) bool { return ip.Is6() && !ip.Is4In6() })
	return records
}
