package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gopush/comet/wire"
	"gopush/internal/oldredis/redistest"
	"gopush/internal/ring"
)

// oldSystem is a small gopush-cluster 1.0: a web node, and comets that speak v1 over TCP, with
// a real Redis. As there, an id is the time in 100 ns, unique for its key, and its score rounded.
type oldSystem struct {
	t             *testing.T
	addr          string // of Redis
	redis         *redis.Client
	ring          *ring.Ring
	comets        map[string]*oldComet
	public, admin *httptest.Server
}

// oldKeeps is the old system's setting redis.store.
const oldKeeps = 100_000

func startOldSystem(t *testing.T, nodes ...string) *oldSystem {
	t.Helper()
	r, err := ring.Parse(nodes)
	if err != nil {
		t.Fatal(err)
	}
	o := &oldSystem{t: t, addr: redistest.Start(t, ""), ring: r, comets: make(map[string]*oldComet)}
	o.redis = redis.NewClient(&redis.Options{Addr: o.addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = o.redis.Close() })
	for _, n := range r.Nodes() {
		o.comets[n.Name] = startOldComet(t, o, n.Name)
	}
	o.public = httptest.NewServer(http.HandlerFunc(o.get))
	t.Cleanup(o.public.Close)
	o.admin = httptest.NewServer(http.HandlerFunc(o.post))
	t.Cleanup(o.admin.Close)
	return o
}

// stop ends its web node and its comets.
func (o *oldSystem) stop() {
	o.public.Close()
	o.admin.Close()
	for _, c := range o.comets {
		_ = c.listener.Close()
		c.restart()
	}
}

// get is the public API.
func (o *oldSystem) get(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	switch r.URL.Path {
	case "/1/server/get":
		fmt.Fprintf(w, `{"data":{"server":%q},"ret":0}`, o.comets[o.ring.Owner(q.Get("k"))].listener.Addr())
	case "/1/msg/get":
		all, err := o.redis.ZRangeByScoreWithScores(r.Context(), q.Get("k"), &redis.ZRangeBy{Min: "(" + q.Get("m"), Max: "+inf"}).Result()
		if err != nil {
			_, _ = io.WriteString(w, `{"ret":65535}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"msgs":[`)
		comma := ""
		for _, z := range all {
			var m struct {
				Msg    json.RawMessage
				Expire int64
			}
			if err := json.Unmarshal([]byte(fmt.Sprint(z.Member)), &m); err != nil || m.Expire < time.Now().Unix() {
				continue
			}
			fmt.Fprintf(w, `%s{"msg":%s,"mid":%d,"gid":0}`, comma, m.Msg, int64(z.Score))
			comma = ","
		}
		_, _ = io.WriteString(w, `]},"ret":0}`)
	case "/1/time/get":
		fmt.Fprintf(w, `{"data":{"timeid":%d},"ret":0}`, time.Now().UnixNano()/100)
	default:
		http.NotFound(w, r)
	}
}

// post is the admin API.
func (o *oldSystem) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	ret := 0
	q := r.URL.Query()
	switch {
	case err != nil || r.Header.Get("Authorization") != "": // what is for the new system stays there
		ret = 65534
	case r.URL.Path == "/1/admin/push/private":
		key := q.Get("key")
		expire, err := strconv.ParseInt(q.Get("expire"), 10, 64)
		if err != nil || o.comets[o.ring.Owner(key)].push(key, string(body), expire) != nil {
			ret = 65535
		}
	case r.URL.Path == "/1/admin/msg/del":
		form, err := url.ParseQuery(string(body))
		if err != nil || o.redis.Del(r.Context(), form.Get("key")).Err() != nil {
			ret = 65535
		}
	default:
		ret = 65534
	}
	fmt.Fprintf(w, `{"ret":%d}`, ret)
}

// oldComet is one comet of the old system.
type oldComet struct {
	old      *oldSystem
	name     string
	listener net.Listener
	work     sync.WaitGroup

	mu       sync.Mutex
	channels map[string]*oldChannel // guarded by mu
	conns    map[net.Conn]bool      // guarded by mu
}

// oldChannel is a key; its lock is held over the store, as there.
type oldChannel struct {
	mu    sync.Mutex
	last  int64
	conns map[net.Conn]bool
}

func startOldComet(t *testing.T, o *oldSystem, name string) *oldComet {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &oldComet{old: o, name: name, listener: l, channels: make(map[string]*oldChannel), conns: make(map[net.Conn]bool)}
	c.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns[conn] = true
			c.mu.Unlock()
			c.work.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.restart()
		c.work.Wait()
	})
	return c
}

// restart ends all connections, as a restart of the process does.
func (c *oldComet) restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
}

func (c *oldComet) channel(key string) *oldChannel {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channels[key] == nil {
		c.channels[key] = &oldChannel{conns: make(map[net.Conn]bool)}
	}
	return c.channels[key]
}

// serve is the life of one connection.
func (c *oldComet) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.conns, conn)
	}()
	in := bufio.NewReader(conn)
	sub, err := wire.ReadSubscribe(in)
	if err != nil {
		return
	}
	if c.old.ring.Owner(string(sub.Key)) != c.name {
		_, _ = io.WriteString(conn, "-n\r\n")
		return
	}
	ch := c.channel(string(sub.Key))
	ch.mu.Lock()
	_, err = io.WriteString(conn, "+h\r\n")
	ch.conns[conn] = true
	ch.mu.Unlock()
	for err == nil {
		if _, err = in.ReadByte(); err == nil {
			ch.mu.Lock()
			_, err = io.WriteString(conn, "+h\r\n")
			ch.mu.Unlock()
		}
	}
	ch.mu.Lock()
	delete(ch.conns, conn)
	ch.mu.Unlock()
}

// push stores a message, then delivers it.
func (c *oldComet) push(key, body string, expire int64) error {
	ch := c.channel(key)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	mid := max(time.Now().UnixNano()/100, ch.last+1)
	ch.last = mid
	ctx := c.old.t.Context()
	member := fmt.Sprintf(`{"msg":%s,"expire":%d}`, body, time.Now().Unix()+expire)
	if err := errors.Join(
		c.old.redis.ZAdd(ctx, key, redis.Z{Score: float64(mid), Member: member}).Err(),
		c.old.redis.ZRemRangeByRank(ctx, key, 0, -oldKeeps-1).Err(),
	); err != nil {
		return err
	}
	text := fmt.Sprintf(`{"msg":%s,"mid":%d,"gid":0}`, body, mid)
	for conn := range ch.conns {
		_, _ = fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(text), text) // one that has gone asks again
	}
	return nil
}

// inexact reports whether a mid is not what Redis keeps of it.
func inexact(mid int64) bool { return int64(float64(mid)) != mid }
