// Package ring says which node owns a key: ketama consistent hashing with
// weights, point for point as the 1.0 line places keys, so that an existing
// deployment keeps its map. A ring is immutable; it does not know which nodes
// live, who leads a group, or how to follow a change.
package ring

import (
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxWeight is the largest weight of a node.
	MaxWeight = 1000
	// PointsPerWeight is how many points a node gets per unit of weight.
	PointsPerWeight = 255
)

// Node is a place on the ring.
type Node struct {
	Name   string // not empty, unique in its ring
	Weight int    // 1 to MaxWeight; keys are shared in proportion to it
}

// Ring maps keys to nodes. It is immutable and safe for concurrent use. The nil
// ring is empty.
type Ring struct {
	nodes []Node // ascending by name
	// points ascend. The upper half of one is its place on the circle, the lower
	// half the index of its node; so among equal places the smaller name is
	// first, which the 1.0 line leaves to chance.
	points []uint64
}

// New makes a ring; the order of nodes does not matter. A name that is empty or
// comes twice and a weight out of range are errors, all of them reported.
func New(nodes []Node) (*Ring, error) {
	r := &Ring{nodes: slices.Clone(nodes)}
	slices.SortFunc(r.nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	if err := check(r.nodes); err != nil {
		return nil, err
	}
	total := 0
	for _, n := range r.nodes {
		total += n.Weight * PointsPerWeight
	}
	r.points = make([]uint64, 0, total)
	for i, n := range r.nodes {
		r.points = appendPoints(r.points, n, i)
	}
	slices.Sort(r.points)
	return r, nil
}

// check expects the nodes in the order of their names.
func check(nodes []Node) error {
	var errs []error
	for i, n := range nodes {
		if n.Name == "" {
			errs = append(errs, errors.New("ring: a node has no name"))
		}
		if i > 0 && nodes[i-1].Name == n.Name {
			errs = append(errs, fmt.Errorf("ring: node %q is there twice", n.Name))
		}
		if n.Weight < 1 || n.Weight > MaxWeight {
			errs = append(errs, fmt.Errorf("ring: node %q has weight %d, it must be 1 to %d", n.Name, n.Weight, MaxWeight))
		}
	}
	return errors.Join(errs...)
}

// appendPoints adds the points of a node. What is hashed counts from 1.
func appendPoints(points []uint64, n Node, index int) []uint64 {
	text := make([]byte, 0, len(n.Name)+len(":255000"))
	text = append(append(text, n.Name...), ':')
	for i := range n.Weight * PointsPerWeight {
		place := place(strconv.AppendInt(text, int64(i)+1, 10))
		points = append(points, uint64(place)<<32|uint64(index))
	}
	return points
}

// place is where bytes lie on the circle: the last 32 bits of their SHA-1.
func place(b []byte) uint32 {
	sum := sha1.Sum(b)
	return binary.BigEndian.Uint32(sum[sha1.Size-4:])
}

// Owner is the name of the node that owns key, or "" when the ring is empty. It
// does not allocate for keys up to 256 bytes, which is every valid one.
func (r *Ring) Owner(key string) string {
	if r == nil || len(r.points) == 0 {
		return ""
	}
	var buf [256]byte
	from := uint64(place(append(buf[:0], key...))) << 32
	i, _ := slices.BinarySearch(r.points, from)
	if i == len(r.points) {
		i = 0 // past the last point the circle begins again
	}
	return r.nodes[uint32(r.points[i])].Name
}

// Nodes returns a copy of the nodes, ascending by name.
func (r *Ring) Nodes() []Node {
	if r == nil {
		return nil
	}
	return slices.Clone(r.nodes)
}

// Parse makes a ring of texts of the form NAME or NAME=WEIGHT; without a weight it is 1.
func Parse(texts []string) (*Ring, error) {
	nodes := make([]Node, len(texts))
	for i, text := range texts {
		name, weight, weighted := strings.Cut(text, "=")
		n := 1
		if weighted {
			var err error
			if n, err = strconv.Atoi(weight); err != nil {
				return nil, fmt.Errorf("ring: %q is not a node; write NAME=WEIGHT, such as node1=1", text)
			}
		}
		nodes[i] = Node{Name: name, Weight: n}
	}
	return New(nodes)
}

// Has reports whether a node of that name is on the ring.
func (r *Ring) Has(name string) bool {
	return r != nil && slices.ContainsFunc(r.nodes, func(n Node) bool { return n.Name == name })
}
