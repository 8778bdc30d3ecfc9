package migrations

import (
	"context"
	"fmt"

	"gopush/hbase"
	"gopush/internal/push"
)

// createMessages makes the namespace and the table, with the version of the
// schema in the same request: there is never a table of ours without one.
func createMessages(ctx context.Context, w *Work) error {
	if err := w.HBase.CreateNamespace(ctx, w.Table.Namespace, w.Tick); err != nil {
		return err
	}
	splits, err := w.Options.splits()
	if err != nil {
		return err
	}
	d := w.Options.descriptor(w.Table)
	hbase.SetMark(d, w.Mark)
	// Whoever else made it at the same moment made it with a version, too, or
	// else is found out when the table is looked at next.
	_, err = w.HBase.CreateTable(ctx, d, splits, w.Tick)
	return err
}

// readOnly is HBase's attribute for a table that takes no writes.
const readOnly = "READONLY"

// dropMessages removes a table that holds no message, unless it may lose them. Nodes may still write to
// it; so it is made read-only before it is looked at, and it is deleted only if
// it has stayed so until nobody could write any more.
func dropMessages(ctx context.Context, w *Work) error {
	w.Unlock() // the lock is a row of the table
	if err := freeze(ctx, w, true); err != nil {
		return err
	}
	if !w.Options.Lose {
		empty, err := w.HBase.Empty(ctx, w.Table)
		if err != nil {
			return err
		}
		if !empty {
			if err := freeze(ctx, w, false); err != nil {
				return err
			}
			return push.E(push.KindConflict, "the table %s holds messages, and dropping it would lose them; if that is what you want, say --lose-messages %s", w.Table, w.Table)
		}
	}
	if err := w.HBase.DisableTable(ctx, w.Table, w.Tick); err != nil {
		return err
	}
	d, err := w.HBase.Describe(ctx, w.Table)
	if err != nil || d == nil {
		return err
	}
	if d.Attribute(readOnly) != "true" {
		if err := w.HBase.EnableTable(ctx, w.Table, w.Tick); err != nil {
			return err
		}
		return push.E(push.KindConflict, "another migration made the table %s writable meanwhile; it was left as it is", w.Table)
	}
	if err := w.HBase.DeleteTable(ctx, w.Table, w.Tick); err != nil {
		return err
	}
	return dropNamespace(ctx, w)
}

// freeze makes the table read-only, or writable again.
func freeze(ctx context.Context, w *Work, frozen bool) error {
	d, err := w.HBase.Describe(ctx, w.Table)
	switch {
	case err != nil:
		return err
	case d == nil:
		return fmt.Errorf("the table %s is gone", w.Table)
	case (d.Attribute(readOnly) == "true") == frozen:
		return nil
	case frozen:
		d.SetAttribute(readOnly, "true")
	default:
		d.RemoveAttribute(readOnly)
	}
	return w.HBase.ModifyTable(ctx, d, w.Tick)
}

// dropNamespace leaves one that has other tables, and one that somebody else has
// made, with rights and quotas that would go with it.
func dropNamespace(ctx context.Context, w *Work) error {
	exists, ours, err := w.HBase.Namespace(ctx, w.Table.Namespace)
	if err != nil || !exists || !ours {
		return err
	}
	kept, err := w.HBase.DeleteNamespace(ctx, w.Table.Namespace, w.Tick)
	if kept {
		w.Say(fmt.Sprintf("the namespace %s stays, as it has other tables", w.Table.Namespace))
	}
	return err
}
