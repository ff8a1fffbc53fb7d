package local

import (
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine"
)

// Functions builds the handler of one function from its environment and a
// clock; its log goes to output. registry.Function is the real one.
type Functions func(name string, getenv func(string) string, clock dcm.Clock, output io.Writer) (lambda.Handler, error)

// Options set up a stack.
type Options struct {
	// Template is the path of template.yaml. Required.
	Template string
	// Functions builds the functions. Required.
	Functions Functions
	// AgentBinary is the path of the agent for this machine. Required.
	AgentBinary string
	// Machine takes the provider's orders instead of Hardware, for tests in which
	// no server need do anything; nil for Hardware itself.
	Machine hetzner.Machine
	// Port and EdgePort are the API's and the VMs' ports; 0 for any.
	Port     int
	EdgePort int
	// TLS makes the VMs speak TLS, as on a cloud; nil for plain HTTP.
	TLS *TLS
	// BaseDomain is the domain that the VMs' names end in; "" for localhost, whose
	// names a browser finds by itself.
	BaseDomain string
	// Address is where everything listens, and how it is known; "" for
	// loopback. Another one must be reachable by nobody but the servers: the
	// stand-ins know no secrets.
	Address string
	// Doors are where the stack's user comes in, if Address is out of reach; nil
	// for Address itself.
	Doors *Doors
	// Repository is the URL of a git repository to make VMs for; "" for a sample,
	// which git then makes.
	Repository string
	// Hardware makes what servers are; nil for processes.
	Hardware func(machine.Options) (machine.Hardware, error)
	// Dir is where everything is kept while the stack runs; "" for a new
	// temporary directory.
	Dir string
	// HeartbeatInterval is how often agents call; 0 for two seconds, because
	// nobody pays for a call here.
	HeartbeatInterval time.Duration
	// ManualSchedules runs a schedule's function only when asked through
	// /_local/schedules/, for tests that count calls.
	ManualSchedules bool
	// DynamoDB is the URL of another DynamoDB to use, behind the same wire; ""
	// for the stand-in. The table is made there, under a name of its own.
	DynamoDB string
	// Environment overrides the functions' environment.
	Environment map[string]string
	// FunctionOutput takes the functions' log lines; nil for a file in Dir.
	FunctionOutput io.Writer
	// Progress is told in a few words what is being done. It may be nil.
	Progress func(string)
	Logger   *slog.Logger
}

// Doors are listeners for the API, beside its own, and for the VMs' addresses.
// The stack closes them.
type Doors struct{ API, VMs net.Listener }

// TLS says where the VMs get their certificates. Stack.Texts is what an authority
// may look their answers up in.
type TLS struct {
	// Directories are ACME directories; none for certificates that the VMs sign
	// themselves.
	Directories []string
	// TrustFile holds the certificates, in PEM, that the agents trust instead of
	// the system's, when they call the directories; "" for the system's.
	TrustFile string
}

func (o Options) withDefaults() Options {
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = 2 * time.Second
	}
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	if o.BaseDomain == "" {
		o.BaseDomain = "localhost"
	}
	if o.Hardware == nil {
		o.Hardware = func(o machine.Options) (machine.Hardware, error) { return machine.New(o), nil }
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
