package oldredis

import (
	"errors"
	"strings"

	"gopush/internal/push"
	"gopush/internal/ring"
)

// A server is named as host:port, or NODE[:WEIGHT]=host:port with the name and the weight
// that it has under redis.source in the old system's settings. They decide which server has
// a key, so whoever writes needs them; for a reader it does not matter which one has it.

// address is where a server is.
func address(server string) string {
	if _, addr, named := strings.Cut(server, "="); named {
		return addr
	}
	return server
}

// spread is how the old system spreads keys over its servers.
type spread struct {
	ring *ring.Ring // nil: there is one server
	all  []string   // addresses
	by   map[string]int
}

func newSpread(servers []string) (*spread, error) {
	s := &spread{all: make([]string, len(servers)), by: make(map[string]int)}
	var nodes []string
	for i, server := range servers {
		s.all[i] = address(server)
		node, _, named := strings.Cut(server, "=")
		if !named {
			continue
		}
		name, weight, _ := strings.Cut(node, ":")
		if weight != "" {
			node = name + "=" + weight
		}
		nodes = append(nodes, node)
		s.by[name] = i
	}
	if len(servers) == 1 {
		return s, nil
	}
	if len(nodes) != len(servers) {
		return nil, errors.New("which of several Redis servers has a key is up to their names: give each as NODE:WEIGHT=HOST:PORT, as under redis.source in message.conf")
	}
	r, err := ring.Parse(nodes)
	if err != nil {
		return nil, err
	}
	s.ring = r
	return s, nil
}

// of is the index of the server that has the key.
func (s *spread) of(key push.Key) int {
	if s.ring == nil {
		return 0
	}
	return s.by[s.ring.Owner(string(key))]
}
