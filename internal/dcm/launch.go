package dcm

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// LaunchRequest asks for a VM: the body of POST /vms. The JSON names are the
// field names in its errors.
type LaunchRequest struct {
	Name               string `json:"name"`
	RepoURL            string `json:"repoUrl"`
	Branch             string `json:"branch"`
	Size               string `json:"size"`
	Provider           string `json:"provider"`
	Region             string `json:"region"`
	WorkspaceID        string `json:"workspaceId"`
	SSHPublicKey       string `json:"sshPublicKey"`
	IdleTimeoutMinutes *int   `json:"idleTimeoutMinutes"`
	MaxLifetimeMinutes *int   `json:"maxLifetimeMinutes"`
}

// LaunchRules are what an installation allows beyond the contract.
type LaunchRules struct {
	Catalogue       SizeCatalogue
	DefaultProvider string
	// AllowFileRepositories admits file:// URLs, for the local stack only.
	AllowFileRepositories bool
}

// Launch is a valid request, with every default filled in.
type Launch struct {
	Name        string
	RepoURL     string // "" only when WorkspaceID is set
	Branch      string
	Size        Size
	Provider    string
	Region      string // "" for any
	WorkspaceID WorkspaceID
	// Offers are what to try, in order; never empty.
	Offers       []Offer
	SSHPublicKey string
	IdleTimeout  time.Duration
	MaxLifetime  time.Duration
}

// The bounds of a launch's times, in minutes.
const (
	minIdleMinutes, maxIdleMinutes, defaultIdleMinutes             = 5, 1440, 30
	minLifetimeMinutes, maxLifetimeMinutes, defaultLifetimeMinutes = 15, 10080, 720
)

// Validate checks every field and names every wrong one at once.
func (r LaunchRequest) Validate(rules LaunchRules) (Launch, error) {
	var c fieldChecks
	l := Launch{
		Name:         c.text("name", r.Name, 63),
		WorkspaceID:  c.workspaceID(r.WorkspaceID),
		RepoURL:      r.RepoURL,
		Branch:       r.Branch,
		SSHPublicKey: strings.TrimSpace(r.SSHPublicKey),
		Region:       r.Region,
	}
	if r.RepoURL != "" || r.WorkspaceID == "" {
		c.check("repoUrl", CheckRepoURL(r.RepoURL, rules.AllowFileRepositories))
	}
	if r.Branch != "" {
		c.check("branch", CheckBranch(r.Branch))
	}
	if r.SSHPublicKey != "" {
		c.check("sshPublicKey", CheckSSHPublicKey(l.SSHPublicKey))
	}
	l.IdleTimeout = c.minutes("idleTimeoutMinutes", r.IdleTimeoutMinutes, defaultIdleMinutes, minIdleMinutes, maxIdleMinutes)
	l.MaxLifetime = c.minutes("maxLifetimeMinutes", r.MaxLifetimeMinutes, defaultLifetimeMinutes, minLifetimeMinutes, maxLifetimeMinutes)
	l.Size = c.size(r.Size)
	l.Provider, l.Offers = c.offers(r, rules)
	return l, InvalidFields(c...)
}

// fieldChecks collects what is wrong with a request.
type fieldChecks []FieldError

func (c *fieldChecks) add(field, format string, args ...any) {
	*c = append(*c, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (c *fieldChecks) check(field string, err error) {
	if err != nil {
		c.add(field, "%s", err.Error())
	}
}

func (c *fieldChecks) text(field, value string, maxRunes int) string {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		c.add(field, "is required")
	case !utf8.ValidString(value):
		c.add(field, "must be valid UTF-8")
	case utf8.RuneCountInString(value) > maxRunes:
		c.add(field, "must be at most %d characters", maxRunes)
	case strings.ContainsFunc(value, isUnprintable):
		c.add(field, "must not contain control or invisible characters")
	}
	return value
}

// isUnprintable holds for control characters and for the format characters
// that make one text look like another (bidi overrides, zero-width spaces).
func isUnprintable(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

func (c *fieldChecks) workspaceID(value string) WorkspaceID {
	if value != "" && !WorkspaceID(value).Valid() {
		c.add("workspaceId", "is not a workspace id")
	}
	return WorkspaceID(value)
}

func (c *fieldChecks) minutes(field string, value *int, def, least, most int) time.Duration {
	if value == nil {
		return time.Duration(def) * time.Minute
	}
	if *value < least || *value > most {
		c.add(field, "must be between %d and %d", least, most)
	}
	return time.Duration(*value) * time.Minute
}

func (c *fieldChecks) size(value string) Size {
	switch {
	case value == "":
		c.add("size", "is required: small, medium or large")
	case !slices.Contains(Sizes, Size(value)):
		c.add("size", "must be small, medium or large")
	}
	return Size(value)
}

// offers finds what to try. It names the provider or the region as wrong only
// when that field, and not the size, is to blame.
func (c *fieldChecks) offers(r LaunchRequest, rules LaunchRules) (string, []Offer) {
	provider := r.Provider
	if provider == "" {
		provider = rules.DefaultProvider
	}
	sizes, known := rules.Catalogue[provider]
	if !known {
		c.add("provider", "is not offered here")
		return provider, nil
	}
	if !slices.Contains(Sizes, Size(r.Size)) {
		return provider, nil
	}
	offers := sizes[Size(r.Size)]
	if len(offers) == 0 {
		c.add("size", "is not sold at %s", provider)
		return provider, nil
	}
	if r.Region == "" {
		return provider, offers
	}
	var local []Offer
	for _, o := range offers {
		if o.Location == r.Region {
			local = append(local, o)
		}
	}
	if len(local) == 0 {
		c.add("region", "has no %s VM at %s", r.Size, provider)
	}
	return provider, local
}

// CheckIdempotencyKey returns what is wrong with an Idempotency-Key header.
func CheckIdempotencyKey(key string) error {
	if len(key) > 128 {
		return InvalidFields(FieldError{"Idempotency-Key", "must be at most 128 characters"})
	}
	for _, r := range key {
		if r < 0x21 || r > 0x7e {
			return InvalidFields(FieldError{"Idempotency-Key", "must be printable ASCII without spaces"})
		}
	}
	return nil
}
