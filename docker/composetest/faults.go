package composetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// service is one that is hit.
type service struct {
	name string
	// spare says that pushes go on while it is away; those of what it serves may wait for a
	// while first.
	spare bool
}

// gopush reports whether it is a node of gopush, rather than something that one needs.
func (s service) gopush() bool {
	return slices.ContainsFunc([]string{"web", "message", "node"}, func(kind string) bool { return strings.HasPrefix(s.name, kind) })
}

// services are all that run all the time, in the order in which they are hit.
var services = []service{
	{"web1", true},
	{"web2", true},
	{"message1", true},
	{"message2", true},
	{"node1-a", true},
	{"node1-b", true},
	{"node2-a", false}, // its group has no other
	{"hmaster", true},
	{"regionserver1", true},
	{"regionserver2", true},
	{"datanode1", true},
	{"datanode2", true},
	{"namenode", false},
	{"zookeeper", false},
}

// fault is a way to hit a container: begin does it, end takes it back.
type fault struct {
	name       string
	begin, end func(container, network, alias string) []string // arguments of docker
}

var faults = []fault{
	{
		"kill",
		func(c, _, _ string) []string { return []string{"kill", c} },
		func(c, _, _ string) []string { return []string{"start", c} },
	},
	{
		"stop",
		func(c, _, _ string) []string { return []string{"stop", "-t", "30", c} },
		func(c, _, _ string) []string { return []string{"start", c} },
	},
	{
		"pause",
		func(c, _, _ string) []string { return []string{"pause", c} },
		func(c, _, _ string) []string { return []string{"unpause", c} },
	},
	{
		"disconnect",
		func(c, network, _ string) []string { return []string{"network", "disconnect", network, c} },
		// Its name in the network is not given back by itself.
		func(c, network, alias string) []string {
			return []string{"network", "connect", "--alias", alias, network, c}
		},
	},
}

// hit is one fault of one service.
type hit struct {
	service service
	fault   fault
}

func (h hit) String() string { return h.service.name + "-" + h.fault.name }

// plan says what is hit how: each service once, so that every fault comes to every kind of
// service that there are several of; or each service in all ways; or the hits that are
// named, such as "web1-kill,zookeeper-pause".
func plan(wanted string) ([]hit, error) {
	var all, some []hit
	for i, s := range services {
		for j, f := range faults {
			all = append(all, hit{s, f})
			if j == (i+i/4)%len(faults) {
				some = append(some, hit{s, f})
			}
		}
	}
	switch wanted {
	case "":
		return some, nil
	case "all":
		return all, nil
	}
	return named(all, strings.Split(wanted, ","))
}

func named(all []hit, names []string) ([]hit, error) {
	var found []hit
next:
	for _, name := range names {
		for _, h := range all {
			if h.String() == strings.TrimSpace(name) {
				found = append(found, h)
				continue next
			}
		}
		return nil, fmt.Errorf("there is no hit %q; such as %s, or all", name, all[0])
	}
	return found, nil
}

// blow is a hit of a running project.
type blow struct {
	container, network string
	hit                hit
}

func (p *project) aim(ctx context.Context, h hit) (blow, error) {
	id, err := p.one(ctx, h.service.name)
	if err != nil {
		return blow{}, err
	}
	network, err := p.network(ctx)
	return blow{id, network, h}, err
}

func (b blow) begin(ctx context.Context) error {
	_, err := docker(ctx, b.hit.fault.begin(b.container, b.network, b.hit.service.name)...)
	return err
}

func (b blow) end(ctx context.Context) error {
	_, err := docker(ctx, b.hit.fault.end(b.container, b.network, b.hit.service.name)...)
	return err
}
