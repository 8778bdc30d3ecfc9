package migrations

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopush/hbase"
)

// Options say how the table is made. Those of the family may also be given for
// a table that exists: where one is given, and differs, the table is changed;
// where none is given, the table stays as it is. Zero values are "not given".
type Options struct {
	// Compression of the family, as HBase names it, such as SNAPPY. A new table
	// has NONE.
	Compression string
	// BlockBytes is the size of the blocks that HBase reads; 4 KiB to 1 MiB. A
	// new table has 32 KiB.
	BlockBytes int
	// Encoding of the data blocks, as HBase names it. A new table has FAST_DIFF.
	Encoding string
	// TTL is how long HBase keeps a cell whatever the cell says of itself; in
	// whole seconds. A new table has Forever: cells carry their own.
	TTL time.Duration
	// Replication is the scope, "0" for none or "1" to the peers of the
	// cluster. A new table has 0.
	Replication string

	// Splits are the subscription keys at which a new table is cut into regions.
	Splits []string
	// Regions cuts a new table into so many, if Splits gives none; 1 to 4,096.
	// A new table has 1.
	Regions int
	// Alphabet says of what the keys are, for Regions: any (letters and
	// digits), digits, or hex. Default any.
	Alphabet string
	// Prefix is what all keys begin with, for Regions.
	Prefix string

	// Enable lets Up enable a table that is disabled.
	Enable bool
	// Lose lets Down drop a table with the messages that it holds.
	Lose bool
	// ProveWithin bounds the proof that servers can use a compression; default
	// 30 s.
	ProveWithin time.Duration
}

// Forever is the TTL of a table that keeps cells for as long as they say.
const Forever = math.MaxInt32 * time.Second

// The choices that HBase 2 has. What of them a server can use is proven before
// anything is made.
var (
	compressions = []string{"NONE", "SNAPPY", "ZSTD", "LZ4", "GZ", "LZO", "BZIP2", "LZMA", "BROTLI"}
	encodings    = []string{"NONE", "PREFIX", "DIFF", "FAST_DIFF", "ROW_INDEX_V1"}
)

// Validate makes names upper case, fills in what is not about the table, and
// reports every option that cannot be.
func (o *Options) Validate() error {
	o.Compression, o.Encoding = strings.ToUpper(o.Compression), strings.ToUpper(o.Encoding)
	if o.ProveWithin == 0 {
		o.ProveWithin = 30 * time.Second
	}
	var errs []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	complain(o.Compression != "" && !slices.Contains(compressions, o.Compression),
		"the compression %q is unknown; take one of %s", o.Compression, strings.Join(compressions, ", "))
	complain(o.Encoding != "" && !slices.Contains(encodings, o.Encoding),
		"the encoding %q is unknown; take one of %s", o.Encoding, strings.Join(encodings, ", "))
	complain(o.BlockBytes != 0 && (o.BlockBytes < 4<<10 || o.BlockBytes > 1<<20),
		"a block of %d bytes is out of range; take 4096 to 1048576", o.BlockBytes)
	complain(o.TTL != 0 && (o.TTL < time.Minute || o.TTL > Forever || o.TTL%time.Second != 0),
		"a TTL of %s is out of range; take whole seconds, from 1m on, or forever", o.TTL)
	complain(o.Replication != "" && o.Replication != "0" && o.Replication != "1",
		"the replication scope %q is unknown; take 0 or 1", o.Replication)
	complain(o.ProveWithin < 0, "the time for proving a compression must not be negative")
	_, err := o.splits()
	return errors.Join(append(errs, err)...)
}

// wanted is an attribute of the family.
type wanted struct {
	name  string
	value string // of a new table
	given bool   // also of one that exists
}

// family is what the family must be like. Promises rest on the first ones: one
// version per cell, and nothing that was deleted comes back.
func (o *Options) family() []wanted {
	option := func(name, given, usual string) wanted {
		if given == "" {
			return wanted{name, usual, false}
		}
		return wanted{name, given, true}
	}
	block, ttl := "", ""
	if o.BlockBytes != 0 {
		block = strconv.Itoa(o.BlockBytes)
	}
	if o.TTL != 0 {
		ttl = strconv.FormatInt(int64(o.TTL/time.Second), 10)
	}
	return []wanted{
		{"VERSIONS", "1", true},
		{"MIN_VERSIONS", "0", true},
		{"KEEP_DELETED_CELLS", "FALSE", true},
		{"BLOOMFILTER", "ROW", false},
		option("DATA_BLOCK_ENCODING", o.Encoding, "FAST_DIFF"),
		option("BLOCKSIZE", block, strconv.Itoa(32<<10)),
		option("COMPRESSION", o.Compression, "NONE"),
		option("TTL", ttl, strconv.Itoa(math.MaxInt32)),
		option("REPLICATION_SCOPE", o.Replication, "0"),
	}
}

// descriptor is that of a new table.
func (o *Options) descriptor(table hbase.TableName) *hbase.Descriptor {
	d := hbase.NewDescriptor(table)
	for _, w := range o.family() {
		d.SetFamilyAttribute(hbase.SchemaFamily, w.name, w.value)
	}
	return d
}

// differences are what has to change at a table that exists: as HBase names it,
// was and will be.
func (o *Options) differences(d *hbase.Descriptor) (changed *hbase.Descriptor, texts []string) {
	changed = d.Clone()
	for _, w := range o.family() {
		is := d.FamilyAttribute(hbase.SchemaFamily, w.name)
		if !w.given || strings.EqualFold(is, w.value) {
			continue
		}
		changed.SetFamilyAttribute(hbase.SchemaFamily, w.name, w.value)
		texts = append(texts, fmt.Sprintf("%s %s -> %s", w.name, is, w.value))
	}
	return changed, texts
}
