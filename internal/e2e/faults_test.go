package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gopush/hbase/hbasetest"
	"gopush/internal/config"
)

// How a long run is asked for: its faults on the store that StoreEnv names. The report is
// written to a file as well, if one is named.
const (
	faultsEnv = "GOPUSH_E2E_FAULTS"
	reportEnv = "GOPUSH_E2E_REPORT"
)

// faultSession is the roles' session timeout, the shortest that is supported.
const faultSession = 2 * time.Second

// Whatever happens to processes, the network, sessions, clocks, the ring, ZooKeeper and
// HBase, one thing after the other and several at once: every acknowledged message is with
// every reader exactly once and in order, and no push with an idempotency key takes longer
// than it may.
func TestFaults(t *testing.T) {
	text, long := os.LookupEnv(faultsEnv)
	if !long {
		t.Run("embedded", func(t *testing.T) { faultsOn(t, "embedded", faultSeed(t, 1), 12) })
		t.Run("hbase", func(t *testing.T) { faultsOn(t, "hbase", faultSeed(t, 1), 8) })
		return
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q; it may be a number of faults", faultsEnv, text)
	}
	faultsOn(t, cmp.Or(os.Getenv(StoreEnv), "embedded"), faultSeed(t, uint64(time.Now().UnixNano())), n)
}

// faultSeed is the one that is asked for, if any is.
func faultSeed(t *testing.T, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(seedEnv)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedEnv, err)
	}
	return n
}

func faultsOn(t *testing.T, store string, seed uint64, n int) {
	t.Helper()
	again := fmt.Sprintf("make faults SEED=%d FAULTS=%d STORE=%s", seed, n, store)
	t.Logf("%d faults; the same again: %s", n, again)
	sizes := FaultSizes{Faults: n, Messages: 1, Webs: 2, Session: faultSession}
	topology := Topology{ZooKeepers: 3, Session: faultSession, Store: func(*config.Store) {}}
	r := &faultRun{tb: t, bound: fleetPush}
	if store == "hbase" {
		// A machine that is busy must not look like a dead process.
		sizes.Messages, sizes.HBase, sizes.ServerSession = 3, true, 10*time.Second
		// Its rows wait for HBase's recovery, which a busy machine prolongs: a pusher may have
		// to ask again, once.
		r.bound = 2 * fleetPush
		r.stack = hbasetest.New(t, hbasetest.Options{SessionTimeout: sizes.ServerSession})
		r.table = newTable(t, r.stack.ZooKeeper(), "m")
		topology.Store = inHBase(r.stack.ZooKeeper(), r.table)
	}
	all := MakeFaults(seed, sizes)
	r.fleet = StartFleet(t, topology)
	keepSchedule(t, r.fleet, all)
	r.load = r.fleet.LoadForFaults(t, seed, time.Duration(n+20)*time.Minute, r.fleet.keysOnBothSides())
	began := time.Now()
	defer func() {
		r.load.cancel() // a failure leaves it running
		if t.Failed() {
			t.Logf("the same again: %s", again)
		}
	}()
	defer r.keep()
	r.load.Acked(3)
	r.run(all)
	took := time.Since(began)
	r.load.Prove()
	r.conclude(seed, all.Count(), took)
}

// keysOnBothSides are two of each group in each of the table's regions.
func (f *Fleet) keysOnBothSides() (keys []string) {
	for _, side := range faultSides() {
		owned := make(map[string]int)
		for i := 0; len(keys)%4 != 0 || len(owned) == 0; i++ {
			key := fmt.Sprintf("%s-%d", side, i)
			if group := f.Owner(key); owned[group] < 2 {
				owned[group]++
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// keepSchedule writes down what is going to happen.
func keepSchedule(t *testing.T, f *Fleet, all Faults) {
	t.Helper()
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(f.Dir(), "faults.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// keep writes the history of a failure down, however far it has come.
func (r *faultRun) keep() {
	if !r.tb.Failed() {
		return
	}
	path := filepath.Join(r.fleet.Dir(), "history.jsonl")
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(r.load.history.Write(f), f.Close())
	}
	r.tb.Logf("history, schedule and logs are in %s (%v)", r.fleet.Dir(), err)
}

// conclude reports, and judges how long pushes took.
func (r *faultRun) conclude(seed uint64, n int, took time.Duration) {
	events := r.load.history.Events()
	text := fmt.Sprintf("seed %d, %d faults in %s\n\n%s\n%s\n", seed, n, took.Round(time.Second), r.report, tally(events))
	text += zombies(events) + "\n"
	for _, slow := range slowest(events, 3) {
		text += fmt.Sprintf("slowest: %s after %s\n", slow.token, rounded(slow.took))
		if slow.took > r.bound {
			r.tb.Errorf("%s was acknowledged only after %s; it may take %s", slow.token, slow.took, r.bound)
		}
	}
	r.tb.Log(text)
	if path := os.Getenv(reportEnv); path != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			r.tb.Error(err)
		}
	}
}
