package config

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oneOf allows a few words.
func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fmt.Errorf("%q is not known; write one of %s", s, strings.Join(words, ", "))
	}
}

// optional allows an empty text too; rule may be nil for any.
func optional(rule func(string) error) func(string) error {
	return func(s string) error {
		if s == "" || rule == nil {
			return nil
		}
		return rule(s)
	}
}

// userName allows what ZooKeeper's digests can hold.
func userName(s string) error {
	if strings.Contains(s, ":") {
		return fmt.Errorf("%q holds a colon, which separates the user from the password; choose another name", s)
	}
	return nil
}

// bindable allows addresses to listen on; port 0 lets the system choose. Ports
// have one spelling, so that two settings can be compared as texts.
func bindable(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not an address; write host:port, such as 127.0.0.1:8090", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("the port of %q must be a number from 0 to 65535", s)
	}
	return hostName(host)
}

// dialable allows addresses to connect to.
func dialable(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return fmt.Errorf("%q is not an address to connect to; write host:port, such as zk1.example.org:2181", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("the port of %q must be a number from 1 to 65535", s)
	}
	return hostName(host)
}

// znode allows the path of a node in ZooKeeper.
func znode(s string) error {
	if len(s) < 2 || s[0] != '/' || path.Clean(s) != s {
		return fmt.Errorf("%q is not the path of a znode; write it from the root, such as /hbase", s)
	}
	return nil
}

// The parts of a table's name, by HBase's rules.
var tableParts = regexp.MustCompile(`^(?:([A-Za-z0-9_]+):)?[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// tableName allows what HBase does, but for its own tables.
func tableName(s string) error {
	m := tableParts.FindStringSubmatch(s)
	if m == nil {
		return fmt.Errorf("%q is not the name of a table; write NAMESPACE:NAME, such as gopush:messages", s)
	}
	if m[1] == "hbase" {
		return fmt.Errorf("%q lies in HBase's own namespace; write another, such as gopush:messages", s)
	}
	return nil
}

// advertised allows what clients can be told. Clients of the 1.0 line split it
// at its colon, so there is exactly one.
func advertised(s string) error {
	if s == "" {
		return nil
	}
	host, port, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case !ok || host == "" || strings.Contains(port, ":"):
		return fmt.Errorf("%q cannot be told to clients; write host:port with exactly one colon", s)
	case err != nil || n == 0 || strconv.FormatUint(n, 10) != port:
		return fmt.Errorf("the port of %q must be a number from 1 to 65535", s)
	case net.ParseIP(host).IsUnspecified():
		return fmt.Errorf("clients cannot connect to %q; write the name or address under which they reach this machine", s)
	}
	return hostName(host)
}

// hostName keeps out what can be neither a name nor an address.
func hostName(host string) error {
	for _, r := range host {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("-._:%", r) {
			return fmt.Errorf("the host %q holds %q; write a name or an IP address", host, r)
		}
	}
	return nil
}

// groupName allows what is safe as a file name and in a list. Clients of the 1.0
// line never see it, but the ring hashes it.
func groupName(s string) error {
	if s == "" || len(s) > 64 || s[0] == '.' {
		return fmt.Errorf("%q must have 1 to 64 characters and not begin with a dot", s)
	}
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("-_.", r) {
			return fmt.Errorf("%q holds %q; use letters, digits, '-', '_' and '.'", s, r)
		}
	}
	return nil
}

// collector allows the URL that traces are sent below. Who may send there is not said in
// it, as it is in logs.
func collector(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || hostName(u.Hostname()) != nil:
		return fmt.Errorf("%q is not the URL of a collector; write http://host:port, such as http://127.0.0.1:4318", s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q holds more than scheme, host and path; credentials come from OTEL_EXPORTER_OTLP_HEADERS", u.Redacted())
	}
	return nil
}

// ringNode allows a comet node with its weight.
func ringNode(s string) error {
	name, weight, ok := strings.Cut(s, "=")
	if n, err := strconv.Atoi(weight); !ok || err != nil || n < 1 || n > 1000 {
		return fmt.Errorf("%q is not a node with its weight; write NAME=WEIGHT, such as node1=1", s)
	}
	return groupName(name)
}

// webNode allows the URL of a web node.
func webNode(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || s != u.Scheme+"://"+u.Host || hostName(u.Hostname()) != nil {
		return fmt.Errorf("%q is not the URL of a web node; write http://host:port", s)
	}
	return nil
}

// origin allows what a browser sends as its Origin, and "*".
func origin(s string) error {
	u, err := url.Parse(s)
	// Browsers compare origins byte by byte, so nothing may follow the host.
	if s == "*" || err == nil && u.Scheme != "" && u.Host != "" && u.Scheme+"://"+u.Host == s && hostName(u.Host) == nil {
		return nil
	}
	return fmt.Errorf("%q is not an origin; write scheme://host[:port] such as https://app.example, or *", s)
}
