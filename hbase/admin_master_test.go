package hbase

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/region"

	"gopush/internal/push"
)

// masters is a master whose connections are given one after the other.
func masters(conns ...*fakeLink) *master {
	m := newMaster(AdminConfig{ZooKeeper: []string{"zk:1"}, RequestTimeout: 10 * time.Second}, masterService)
	next := 0
	m.locate = func(context.Context) (string, error) { return "master:1", nil }
	m.dial = func(addr string) hrpc.RegionClient {
		c := conns[min(next, len(conns)-1)]
		next++
		c.addr = addr
		return c
	}
	return m
}

func answers(err error) func(hrpc.Call) {
	return func(call hrpc.Call) {
		call.ResultChan() <- hrpc.RPCResult{Msg: call.NewResponse(), Error: err}
	}
}

func saysNothing() func(hrpc.Call) { return func(hrpc.Call) {} }

// send makes one call that may take 10 s.
func send(t *testing.T, m *master) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := m.SendRPC(newMasterCall(ctx, "GetClusterStatus", &pb.GetClusterStatusRequest{}, &pb.GetClusterStatusResponse{}))
	return err
}

// TestMasterComesBack: a broken connection, a master that does not listen, one
// that has just started, and one that is only a standby are all tried again.
func TestMasterComesBack(t *testing.T) {
	for name, first := range map[string]*fakeLink{
		"breaks":       {answer: answers(region.ServerError{})},
		"does not":     {dial: errors.New("refused")},
		"starts":       {answer: answers(java("org.apache.hadoop.hbase.PleaseHoldException", "Master is initializing"))},
		"later":        {answer: answers(region.RetryableError{})},
		"a standby is": {answer: answers(java("org.apache.hadoop.hbase.MasterNotRunningException", ""))},
	} {
		synctest.Test(t, func(t *testing.T) {
			good := &fakeLink{answer: answers(nil)}
			tries := 0
			first.answer = once(first.answer, good.answer, &tries)
			m := masters(first, good)
			if err := send(t, m); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			m.close()
			if !good.isClosed() && !first.isClosed() {
				t.Errorf("%s: a connection stays", name)
			}
			if err := send(t, m); err == nil {
				t.Errorf("%s: it works when closed", name)
			}
		})
	}
}

// once answers the first call differently.
func once(first, then func(hrpc.Call), tries *int) func(hrpc.Call) {
	return func(call hrpc.Call) {
		*tries++
		if *tries == 1 {
			first(call)
			return
		}
		then(call)
	}
}

// TestMasterRefuses: an exception is an answer, and is not asked for again.
func TestMasterRefuses(t *testing.T) {
	conn := &fakeLink{answer: answers(java(classTableNotFound, "x"))}
	a := fakeAdmin(nil, nil, nil)
	a.master = masters(conn)
	if d, err := a.Describe(t.Context(), TableName{"n", "x"}); d != nil || err != nil {
		t.Error(d, err)
	}
	if conn.isClosed() {
		t.Error("the connection was given up")
	}
}

// TestMasterHangs: a master that takes a call and never answers costs the call
// its time, and no more; the next call has a new connection.
func TestMasterHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, good := &fakeLink{answer: saysNothing()}, &fakeLink{answer: answers(nil)}
		m := masters(hung, good)
		start := time.Now()
		err := send(t, m)
		if !push.Is(err, push.KindStoreUnavailable) || time.Since(start) != 10*time.Second || !hung.isClosed() {
			t.Errorf("%v after %s, closed %v", err, time.Since(start), hung.isClosed())
		}
		if err := send(t, m); err != nil {
			t.Error(err)
		}
	})
}

// TestNoMaster: the last reason is told when the time is over.
func TestNoMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := masters(&fakeLink{})
		m.locate = func(context.Context) (string, error) { return "", transient{errors.New("nobody is master")} }
		if err := send(t, m); !push.Is(err, push.KindStoreUnavailable) || !strings.Contains(err.Error(), "nobody is master") {
			t.Error(err)
		}
	})
}

// zookeeper is a server that answers any command with the text.
func zookeeper(t *testing.T, text string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4)
			_, _ = conn.Read(buf)
			_, _ = conn.Write([]byte(text))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

func TestPingZooKeeper(t *testing.T) {
	addrs := []string{
		zookeeper(t, "Zookeeper version: 3.8.4-9316c2a7a97e1666d8f4593f34dd6fc36ecc436c, built on x\nLatency min/avg/max: 0/0/0\nMode: follower\n"),
		zookeeper(t, "srvr is not executed because it is not in the whitelist.\n"),
		zookeeper(t, "This ZooKeeper instance is not currently serving requests\n"),
		zookeeper(t, ""),
		"127.0.0.1:1",
	}
	all := PingZooKeeper(t.Context(), addrs)
	if all[0].Err != nil || all[0].Version != "3.8.4" || all[0].Mode != "follower" {
		t.Errorf("%+v", all[0])
	}
	if all[1].Err != nil || all[1].Version != "" {
		t.Errorf("%+v", all[1])
	}
	for i, want := range map[int]string{2: "no quorum", 3: "says nothing", 4: "refused"} {
		if err := all[i].Err; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := anyZooKeeper(t.Context(), []string{addrs[4], addrs[1]}); err != nil {
		t.Error(err)
	}
	if err := anyZooKeeper(t.Context(), addrs[2:]); err == nil || strings.Count(err.Error(), "ZooKeeper at") != 3 {
		t.Error(err)
	}
}
