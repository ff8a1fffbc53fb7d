package dcm

import (
	"io"
	"time"
)

// Event is an entry of a tenant's audit log: who did what, when, from where,
// to which resource, with what result. It holds no secret.
type Event struct {
	// ID makes events of one moment distinct: "ev-" and ten characters.
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	User UserID    `json:"user"`
	// Actor is what kind of caller it was.
	Actor    Actor  `json:"actor"`
	SourceIP string `json:"sourceIp"`
	// Action is the function's name, such as "vms-create".
	Action string `json:"action"`
	// Resource is what it was done to, such as "vms/vm-k3j9x2m4qa".
	Resource string `json:"resource"`
	// Result is ResultOK or the code of the error.
	Result    string `json:"result"`
	RequestID string `json:"requestId"`
	// Detail is a few more words, "" for none.
	Detail string `json:"detail,omitempty"`
}

// Actor is what kind of caller did something.
type Actor string

// The actors.
const (
	ActorUser   Actor = "user"
	ActorVM     Actor = "vm"
	ActorSystem Actor = "system"
	// ActorPlatform is the platform's owner, in the log of another tenant.
	ActorPlatform Actor = "platform"
)

// ResultOK is the result of what worked.
const ResultOK = "ok"

// EventTTL is how long an event stays readable.
const EventTTL = 90 * 24 * time.Hour

// EventQuery asks for one page of events, newest first.
type EventQuery struct {
	Limit  int
	Cursor string
}

// EventPage is one page. NextCursor is "" on the last one.
type EventPage struct {
	Items      []Event
	NextCursor string
}

// NewEventID draws an id from random.
func NewEventID(random io.Reader) (string, error) {
	s, err := randomText(random, 10)
	return "ev-" + s, err
}
