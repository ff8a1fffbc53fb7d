package workspace

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// dialInside reaches a loopback port in the network namespace of a process.
// The namespace belongs to a thread, so a thread of its own is used up: it is
// never unlocked, and ends with its goroutine.
func dialInside(ctx context.Context, pid, port int) (net.Conn, error) {
	if pid <= 1 {
		return nil, fmt.Errorf("process %d has no network of its own", pid)
	}
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	type result struct {
		c   net.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, fmt.Errorf("enter the container's network: %w", err)}
			return
		}
		// An address, not a name: the socket is made by this very goroutine.
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp4", address("127.0.0.1", port))
		if err != nil {
			if c6, err6 := d.DialContext(ctx, "tcp6", address("::1", port)); err6 == nil {
				c, err = c6, nil
			}
		}
		done <- result{c, err}
	}()
	r := <-done
	return r.c, r.err
}
