package migrations

import (
	"context"
)

// Status is what there is, for a person or a script to read.
type Status struct {
	Table string `json:"table"`
	State string `json:"state"` // missing, enabled, disabled, disabling, enabling
	// Version is the schema of the table, by its attributes; 0: none.
	Version int `json:"version"`
	// UsableFrom is the oldest schema whose programs can use the table.
	UsableFrom int `json:"usable_from,omitempty"`
	// Told is the schema that nodes are told.
	Told int `json:"told"`
	// Latest is the schema that this program knows.
	Latest int `json:"latest"`
	// Problem says why nodes of this program's version cannot use the table, and
	// what to run; empty: they can.
	Problem string `json:"problem,omitempty"`
	// Pending is what migrate up would do.
	Pending []Action `json:"pending"`
	// Refused says why migrate up would do nothing.
	Refused string `json:"refused,omitempty"`
	// Lock says who is migrating at this moment.
	Lock string `json:"lock,omitempty"`

	Attributes map[string]string            `json:"attributes,omitempty"`
	Families   map[string]map[string]string `json:"families,omitempty"`
	// Regions are the table's, by the server that has them.
	Regions map[string]int `json:"regions,omitempty"`

	HBase   string `json:"hbase"`   // its version
	Servers int    `json:"servers"` // live region servers
}

// Status reads it; nothing is changed.
func (m *Migrator) Status(ctx context.Context) (*Status, error) {
	cluster, err := m.hbase.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	s, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	st := &Status{
		Table: m.target.Table.String(), State: s.table.String(), Latest: m.latest(),
		Version: s.mark.Version, UsableFrom: s.mark.Oldest, Told: s.cell.Version, Lock: s.holder,
		HBase: cluster.Version, Servers: len(cluster.Live), Pending: []Action{},
	}
	if s.descriptor != nil {
		st.Attributes, st.Families = s.descriptor.Attributes(), s.descriptor.Families()
		if st.Regions, err = m.hbase.Regions(ctx, m.target.Table); err != nil {
			return nil, err
		}
	}
	if err := m.target.Usable(s.table, s.cell); err != nil {
		st.Problem = err.Error()
	}
	pending, err := m.upward(&s)
	if err != nil {
		st.Refused = err.Error()
	}
	st.Pending = append(st.Pending, pending...)
	return st, nil
}
