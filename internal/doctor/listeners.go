package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Listener is one that only operators should reach.
type Listener struct {
	Setting string // its name in the settings
	Addr    string // host:port, as it is bound
	Gives   string // what whoever reaches it gets
}

// dialWithin bounds an attempt to connect to this machine itself.
const dialWithin = 500 * time.Millisecond

// openListeners looks whether other machines reach the listeners: by what they are bound
// to, and by connecting to them at each of own, the addresses that others know this
// machine by.
func openListeners(ctx context.Context, all []Listener, own func() ([]netip.Addr, error)) []Finding {
	if len(all) == 0 {
		return nil
	}
	addrs, err := own()
	found := make([]Finding, 0, len(all)+1)
	if err != nil {
		found = append(found, about("addresses").say(Unknown, "Look at ip addr.", "those of this machine cannot be read: %s", err))
	}
	for _, l := range all {
		found = append(found, l.examine(ctx, addrs))
	}
	return found
}

func (l Listener) examine(ctx context.Context, own []netip.Addr) Finding {
	check := about(l.Setting)
	host, port, err := net.SplitHostPort(l.Addr)
	if err != nil || port == "0" {
		return check.ok("%s: the port is any that is free", l.Addr)
	}
	var reached []string
	public := false
	for _, a := range own {
		if answers(ctx, netip.Addr.String(a), port) {
			reached = append(reached, net.JoinHostPort(a.String(), port))
			public = public || !a.IsPrivate() && !a.IsLinkLocalUnicast()
		}
	}
	at := strings.Join(reached, ", ")
	fix := fmt.Sprintf("Set %s to 127.0.0.1:%s, or keep others out with a firewall.", l.Setting, port)
	switch {
	case public:
		return check.say(Wrong, fix, "it answers at %s, which is an address of the internet; whoever gets there gets %s", at, l.Gives)
	case len(reached) > 0 && isLoopback(host):
		return check.say(Note, fmt.Sprintf("See what listens there, with ss -ltnp sport = :%s.", port),
			"it is set to %s, but something answers at %s too: it is forwarded, or is another program", l.Addr, at)
	case len(reached) > 0:
		return check.say(Note, fix, "it answers at %s; whoever gets there gets %s", at, l.Gives)
	case !isLoopback(host):
		return check.say(Note, fix, "it is set to %s, which is not this machine alone; whoever gets there gets %s", l.Addr, l.Gives)
	}
	return check.ok("%s, which other machines do not reach", l.Addr)
}

// answers reports whether somebody takes connections there.
func answers(ctx context.Context, host, port string) bool {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was said
	return true
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// ownAddresses are those of the network interfaces that others may know this machine by.
func ownAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var own []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own, nil
}
