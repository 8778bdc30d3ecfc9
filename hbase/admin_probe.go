package hbase

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gopush/internal/push"
)

// A compression that a server cannot use shows only when a region of such a
// table is opened there: HBase then tries again for ever, the table never
// serves, and it can neither be disabled nor deleted. The master tries it out
// itself before it creates anything, but region servers may be installed or set
// up differently. So a compression is proven with a table of its own, which has
// a region on every server and no row, and is gone afterwards, come what may.

const (
	probePrefix = "gopush-probe-"
	// probeStale is the age of a probe table that a killed process has left.
	probeStale = 10 * time.Minute
	// cleaning bounds the removal of a probe table.
	cleaning = time.Minute
)

// Proof says how a compression was proven.
type Proof struct {
	Servers int // that opened a region with it
	Live    int // that there are
}

// ProveCompression makes sure that the servers can use a compression. The error
// is a *push.Error: KindConflict when they cannot.
func (a *Admin) ProveCompression(ctx context.Context, name string, within time.Duration, tick Tick) (proof Proof, err error) {
	return a.proveCompression(ctx, name, within, tick, nil)
}

// proveCompression lets a test change the probe table.
func (a *Admin) proveCompression(ctx context.Context, name string, within time.Duration, tick Tick, change func(*Descriptor)) (proof Proof, err error) {
	cluster, err := a.Cluster(ctx)
	if err != nil {
		return proof, err
	}
	if len(cluster.Live) == 0 {
		return proof, push.E(push.KindStoreUnavailable, "HBase has no live region server; start one")
	}
	table := TableName{defaultNamespace, probePrefix + strconv.FormatInt(time.Now().Unix(), 10) + "-" + strings.ToLower(rand.Text()[:8])}
	d := NewDescriptor(table)
	d.SetFamilyAttribute(SchemaFamily, "COMPRESSION", name)
	if change != nil {
		change(d)
	}
	limit, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	id, err := a.begin(limit, "CreateTable", createRequest(d, evenSplits(len(cluster.Live))), createResponse())
	if _, isException := errors.AsType[*JavaError](err); isException {
		return proof, push.E(push.KindConflict, "HBase's master cannot use the compression %s, and nothing was created: %s", name, cause(err))
	}
	// Whether or not the answer came: if there is a table, it goes.
	defer func() { err = errors.Join(err, a.removeProbe(ctx, d, id, err != nil)) }()
	if err != nil {
		return proof, err
	}
	if err := a.wait(limit, tick, "CreateTable", id); err != nil {
		return proof, unproven(ctx, name, within, err)
	}
	at, err := a.Regions(ctx, table)
	delete(at, "")
	return Proof{Servers: len(at), Live: len(cluster.Live)}, err
}

// unproven says why a probe table did not come to serve.
func unproven(ctx context.Context, name string, within time.Duration, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if _, late := procedureIn(err); late {
		return push.E(push.KindConflict, "within %s not every region server could open a region with the compression %s: it is not installed or set up on each of them (their logs say more), or HBase is very slow. The probe table was removed and nothing else created; choose another compression, or none", within, name)
	}
	return push.E(push.KindConflict, "HBase cannot use the compression %s, and nothing was created: %s", name, cause(err))
}

// cause is the exception alone, without HBase's advice to switch checks off.
func cause(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*JavaError](err); ok {
		text = e.Error()
	}
	text, _, _ = strings.Cut(text, " Set hbase.table.sanity.checks")
	return text
}

// evenSplits cut the space of row keys into n regions.
func evenSplits(n int) [][]byte {
	var splits [][]byte
	for i := 1; i < min(n, 256); i++ {
		splits = append(splits, []byte{byte(i * 256 / min(n, 256))})
	}
	return splits
}

// removeProbe takes a probe table away, also one that HBase keeps trying to open.
func (a *Admin) removeProbe(ctx context.Context, d *Descriptor, id uint64, stuck bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleaning)
	defer cancel()
	table := d.Table()
	state, err := a.State(ctx, table)
	if err == nil && state == TableMissing {
		return nil
	}
	if err == nil && stuck && id > 0 {
		err = a.unstick(ctx, d, id)
	}
	if err == nil {
		err = a.dropTable(ctx, table)
	}
	if err != nil {
		return leftOver(table, err)
	}
	return nil
}

func leftOver(table TableName, err error) error {
	return fmt.Errorf("the probe table %s is left over (disable and drop it in the HBase shell; if HBase is stuck on it, HBCK2's bypass helps): %w", table, err)
}

// DropStaleProbes removes probe tables that killed processes have left, and
// counts them.
func (a *Admin) DropStaleProbes(ctx context.Context) (int, error) {
	tables, err := a.Tables(ctx, defaultNamespace)
	if err != nil {
		return 0, err
	}
	count := 0
	for _, t := range tables {
		rest, ok := strings.CutPrefix(t.Name, probePrefix)
		seconds, _, _ := strings.Cut(rest, "-")
		made, err := strconv.ParseInt(seconds, 10, 64)
		if !ok || err != nil || time.Since(time.Unix(made, 0)) < probeStale {
			continue
		}
		if err := a.removeProbe(ctx, NewDescriptor(t), 0, false); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}
