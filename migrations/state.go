package migrations

import (
	"context"

	"gopush/hbase"
)

// state is what there is, at one moment.
type state struct {
	namespace  bool
	table      hbase.TableState
	descriptor *hbase.Descriptor // nil: none
	mark       hbase.Mark        // by the table's attributes, the truth
	cell       hbase.Mark        // the copy for nodes
	holder     string            // of the lock; "" for nobody
}

// missing reports whether there is no trace of the table.
func (s *state) missing() bool { return s.table == hbase.TableMissing && s.descriptor == nil }

// ours reports whether the table was made by a migration.
func (s *state) ours() bool { return s.mark.Version > 0 }

// serves reports whether rows of the table can be read.
func (s *state) serves() bool { return s.table == hbase.TableEnabled && s.descriptor != nil }

// frozen reports whether the table takes no writes.
func (s *state) frozen() bool {
	return s.descriptor != nil && s.descriptor.Attribute(readOnly) == "true"
}

// look reads the state.
func (m *Migrator) look(ctx context.Context) (s state, err error) {
	if s.namespace, err = m.hbase.NamespaceExists(ctx, m.target.Table.Namespace); err != nil {
		return s, err
	}
	if s.table, err = m.hbase.State(ctx, m.target.Table); err != nil {
		return s, err
	}
	if s.descriptor, err = m.hbase.Describe(ctx, m.target.Table); err != nil || s.descriptor == nil {
		return s, err
	}
	if s.mark, err = hbase.MarkOf(s.descriptor); err != nil {
		return s, err
	}
	if !s.serves() || !s.ours() {
		return s, nil
	}
	if s.cell, err = m.hbase.ReadMark(ctx, m.target.Table); err != nil {
		return s, err
	}
	s.holder, err = m.hbase.LockHolder(ctx, m.target.Table)
	return s, err
}
