package dcm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ProviderKind is what went wrong at a provider, a DNS service or a storage.
// The lifecycle decides by kind alone.
type ProviderKind string

// The kinds.
const (
	KindNotFound    ProviderKind = "not_found"
	KindExists      ProviderKind = "exists"
	KindCapacity    ProviderKind = "capacity"
	KindQuota       ProviderKind = "quota"
	KindAuth        ProviderKind = "auth"
	KindRateLimited ProviderKind = "rate_limited"
	KindUnavailable ProviderKind = "unavailable"
	KindInvalid     ProviderKind = "invalid"
	// KindImage: the provider does not boot this image on this server. Another
	// image may do.
	KindImage ProviderKind = "image"
)

// ProviderError is a failure at an outside service. Message is fit for a
// tenant to read; Err is the service's own error, for the log.
type ProviderError struct {
	Kind    ProviderKind
	Op      string
	Message string
	// RetryAfter is how long the service asked to wait; 0 if it did not say.
	RetryAfter time.Duration
	Err        error
}

// Error renders the whole chain, for logs.
func (e *ProviderError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s: %s", e.Op, e.Kind, e.Message)
	}
	return fmt.Sprintf("%s: %s: %s: %v", e.Op, e.Kind, e.Message, e.Err)
}

// Unwrap returns the service's own error.
func (e *ProviderError) Unwrap() error { return e.Err }

// KindOf returns the kind of the ProviderError in err's chain, KindUnavailable
// for any other error, and "" for nil.
func KindOf(err error) ProviderKind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*ProviderError](err); ok {
		return e.Kind
	}
	return KindUnavailable
}

// Credential opens one account at a provider. It is always an argument and
// never state, so that one tenant's cannot be used for another.
type Credential struct {
	Token     Secret
	ProjectID string
	// SSHKeyID is the account's SSH key for new servers, by the provider's id;
	// "" for none.
	SSHKeyID string
	// Owner says whose limit on requests the calls count against, and Rate what
	// was known of it when the account was read.
	Owner RateOwner
	Rate  RateBudget
	// Observe, unless nil, is told what each answer says of the limit.
	Observe func(RateLimit)
}

// ServerRequest asks a provider for a server.
type ServerRequest struct {
	// Name is unique per provider project.
	Name       string
	ServerType string
	Location   string
	// Image is the provider's name of an image, or its id.
	Image string
	// UserData is a secret: it holds the bootstrap token.
	UserData Secret
	Labels   map[string]string
	// SSHKeyID is a key of the account that opens the server, by the provider's
	// id; "" for none.
	SSHKeyID string
}

// ServerRef names a server by id, or by name while its id is not known.
type ServerRef struct {
	ID   string
	Name string
}

// Server is a machine as its provider describes it.
type Server struct {
	ID         string
	Name       string
	ServerType string
	Location   string
	// Status is the provider's own word, for logs and receipts.
	Status string
	// Off says that the machine is not running, though it exists and is paid.
	Off bool
	// IPv4 and IPv6 are empty while the provider has not assigned them.
	IPv4      string
	IPv6      string
	Labels    map[string]string
	CreatedAt time.Time
	// Price is nil if the provider did not say.
	Price *Price
}

// Ref names the server.
func (s Server) Ref() ServerRef { return ServerRef{ID: s.ID, Name: s.Name} }

// SizeOption is one server type at one location, with its live price.
type SizeOption struct {
	ServerType string
	Location   string
	Cores      int
	MemoryGB   float64
	DiskGB     int
	// Architecture is "amd64" or "arm64".
	Architecture string
	Price        Price
	Available    bool
}

// CredentialReport is what Check found out.
type CredentialReport struct {
	// CanWrite says that the credential may create and delete servers.
	CanWrite bool
	// ServersLeft is how many more servers fit the account's limit; nil if
	// the provider doesn't say.
	ServersLeft *int
}

// Provider is a cloud that sells VMs. Every error is a *ProviderError.
type Provider interface {
	// CreateVM orders a server and returns as soon as the provider accepted.
	// KindExists means that the name is taken: an earlier try succeeded.
	// KindCapacity means that this server type is sold out at this location.
	// KindImage means that its image can't be used, whatever the offer is worth.
	CreateVM(ctx context.Context, c Credential, r ServerRequest) (Server, error)
	// DeleteVM deletes a server by its id. A server that is already gone is
	// success.
	DeleteVM(ctx context.Context, c Credential, id string) error
	// GetVM returns the server, or nil if the provider does not know it. With
	// an empty ref.ID it looks the server up by its exact name.
	GetVM(ctx context.Context, c Credential, ref ServerRef) (*Server, error)
	// StartVM switches a server on that is off. One that runs is success.
	// KindNotFound: there is none.
	StartVM(ctx context.Context, c Credential, id string) error
	// ListVMs returns every server whose labels equal all of labels, over all
	// pages. A failed page fails the list: a partial list is never returned.
	ListVMs(ctx context.Context, c Credential, labels map[string]string) ([]Server, error)
	// SizeOptions returns what the provider sells, with prices.
	SizeOptions(ctx context.Context, c Credential) ([]SizeOption, error)
	// SSHKey returns the id of an SSH key of the account, named by its id or
	// its name. KindNotFound: there is none.
	SSHKey(ctx context.Context, c Credential, idOrName string) (string, error)
	// Check finds out what the credential may do. KindAuth: it is not valid.
	Check(ctx context.Context, c Credential) (CredentialReport, error)
}

// Offer is one thing a size may mean: a server type at a location.
type Offer struct {
	ServerType string `json:"type"`
	Location   string `json:"location"`
}

// String returns "type@location".
func (o Offer) String() string { return o.ServerType + "@" + o.Location }

// SizeCatalogue says, per provider and size, what to try in which order.
type SizeCatalogue map[string]map[Size][]Offer

func epochText(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
