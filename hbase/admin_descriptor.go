package hbase

import (
	"bytes"

	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/proto"
)

// Descriptor describes a table: attributes of the table, and of its families, as
// texts. What else HBase keeps in it stays as it is.
type Descriptor struct {
	schema *pb.TableSchema
}

// NewDescriptor describes a table that is to be made.
func NewDescriptor(table TableName) *Descriptor {
	return &Descriptor{&pb.TableSchema{TableName: table.pb()}}
}

// Table is whose description it is.
func (d *Descriptor) Table() TableName {
	t := d.schema.GetTableName()
	return TableName{string(t.GetNamespace()), string(t.GetQualifier())}
}

// Clone returns a copy that can be changed.
func (d *Descriptor) Clone() *Descriptor {
	return &Descriptor{proto.CloneOf(d.schema)}
}

// Attribute is "" when the table has none of the name.
func (d *Descriptor) Attribute(name string) string { return attribute(d.schema.GetAttributes(), name) }

// SetAttribute sets an attribute of the table.
func (d *Descriptor) SetAttribute(name, value string) {
	d.schema.Attributes = setAttribute(d.schema.Attributes, name, value)
}

// RemoveAttribute takes an attribute away from the table.
func (d *Descriptor) RemoveAttribute(name string) {
	d.schema.Attributes = removeAttribute(d.schema.Attributes, name)
}

// Attributes are those of the table.
func (d *Descriptor) Attributes() map[string]string { return attributes(d.schema.GetAttributes()) }

// Families are the attributes of each family.
func (d *Descriptor) Families() map[string]map[string]string {
	all := make(map[string]map[string]string)
	for _, f := range d.schema.GetColumnFamilies() {
		all[string(f.GetName())] = attributes(f.GetAttributes())
	}
	return all
}

// FamilyAttribute is "" when the family, or its attribute, is not there.
func (d *Descriptor) FamilyAttribute(family, name string) string {
	if f := d.family(family); f != nil {
		return attribute(f.GetAttributes(), name)
	}
	return ""
}

// SetFamilyAttribute sets an attribute of a family, and adds the family if it is
// not there.
func (d *Descriptor) SetFamilyAttribute(family, name, value string) {
	f := d.family(family)
	if f == nil {
		f = &pb.ColumnFamilySchema{Name: []byte(family)}
		d.schema.ColumnFamilies = append(d.schema.ColumnFamilies, f)
	}
	f.Attributes = setAttribute(f.Attributes, name, value)
}

func (d *Descriptor) family(name string) *pb.ColumnFamilySchema {
	for _, f := range d.schema.GetColumnFamilies() {
		if string(f.GetName()) == name {
			return f
		}
	}
	return nil
}

func attribute(pairs []*pb.BytesBytesPair, name string) string {
	for _, p := range pairs {
		if string(p.GetFirst()) == name {
			return string(p.GetSecond())
		}
	}
	return ""
}

func attributes(pairs []*pb.BytesBytesPair) map[string]string {
	all := make(map[string]string, len(pairs))
	for _, p := range pairs {
		all[string(p.GetFirst())] = string(p.GetSecond())
	}
	return all
}

func setAttribute(pairs []*pb.BytesBytesPair, name, value string) []*pb.BytesBytesPair {
	for _, p := range pairs {
		if string(p.GetFirst()) == name {
			p.Second = []byte(value)
			return pairs
		}
	}
	return append(pairs, &pb.BytesBytesPair{First: []byte(name), Second: []byte(value)})
}

func removeAttribute(pairs []*pb.BytesBytesPair, name string) []*pb.BytesBytesPair {
	kept := pairs[:0]
	for _, p := range pairs {
		if !bytes.Equal(p.GetFirst(), []byte(name)) {
			kept = append(kept, p)
		}
	}
	return kept
}
