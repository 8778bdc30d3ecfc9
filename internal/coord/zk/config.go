package zk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/coord"
)

// Config sets a Coordinator up. Zero values mean the default that each field
// names.
type Config struct {
	// Servers are ZooKeeper's, each host:port. Required.
	Servers []string
	// Root is the path under which everything is kept; default /gopush.
	Root string
	// Session is how long ZooKeeper waits before it takes a process that went
	// silent for dead: 1 s to 1 min, default 4 s. What the server makes of it
	// counts.
	Session time.Duration
	// User and Password are for ZooKeeper's digest authentication; without them
	// anybody who reaches ZooKeeper may change what is kept.
	User, Password string
	// Machine are the rules of terms and of the ring.
	Machine coord.Config
	// Dial opens connections; default: plain TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	heard func() // something came from ZooKeeper; nil: nobody wants to know
}

// Validate fills in the defaults and reports every field that cannot be.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Servers) == 0 {
		errs = append(errs, errors.New("no ZooKeeper server is named"))
	}
	for _, s := range c.Servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			errs = append(errs, fmt.Errorf("the ZooKeeper server %q is not host:port: %w", s, err))
		}
	}
	if c.Root == "" {
		c.Root = "/gopush"
	}
	if !strings.HasPrefix(c.Root, "/") || strings.HasSuffix(c.Root, "/") || strings.Contains(c.Root, "//") || strings.ContainsRune(c.Root, 0) {
		errs = append(errs, fmt.Errorf("the root %q must begin with a slash, not end with one, and have no empty part", c.Root))
	}
	if c.Session == 0 {
		c.Session = 4 * time.Second
	}
	if c.Session < time.Second || c.Session > time.Minute {
		errs = append(errs, fmt.Errorf("a session timeout of %s; it must be 1s to 1m", c.Session))
	}
	if (c.User == "") != (c.Password == "") || strings.Contains(c.User, ":") {
		errs = append(errs, errors.New("ZooKeeper's user and password must be given both or not at all, and the user without a colon"))
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Machine.Headroom == 0 {
		// So that a comet which asks several times per lease causes a write every
		// few seconds.
		c.Machine.Headroom = 2500 * time.Millisecond
	}
	errs = append(errs, c.Machine.Validate())
	return errors.Join(errs...)
}

// acl is who may read and change what is kept.
func (c *Config) acl() []zk.ACL {
	if c.User == "" {
		return zk.WorldACL(zk.PermAll)
	}
	return zk.DigestACL(zk.PermAll, c.User, c.Password)
}
