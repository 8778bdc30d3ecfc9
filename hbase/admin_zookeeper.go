package hbase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ZooKeeperServer is how one of ZooKeeper's servers answered.
type ZooKeeperServer struct {
	Addr    string
	Version string  // "" when the server keeps it to itself
	Mode    string  // standalone, leader, follower; "" likewise
	Err     error   // nil: it serves
	Latency float64 // of its requests on average, in milliseconds; 0 likewise
}

// zookeeperPing bounds one ping.
const zookeeperPing = 5 * time.Second

// PingZooKeeper asks each server for its state, by the four-letter command that
// ZooKeeper allows unless told otherwise. A server that answers anything but
// that it does not serve is fine: the command may have been forbidden.
func PingZooKeeper(ctx context.Context, addrs []string) []ZooKeeperServer {
	all := make([]ZooKeeperServer, len(addrs))
	for i, addr := range addrs {
		all[i] = pingOne(ctx, addr)
	}
	return all
}

// anyZooKeeper returns at the first server that serves.
func anyZooKeeper(ctx context.Context, addrs []string) error {
	var errs []error
	for _, addr := range addrs {
		s := pingOne(ctx, addr)
		if s.Err == nil {
			return nil
		}
		errs = append(errs, s.Err)
	}
	return errors.Join(errs...)
}

var (
	zkVersion = regexp.MustCompile(`(?m)^Zookeeper version: ([^,\s-]+)`)
	zkMode    = regexp.MustCompile(`(?m)^Mode: (\S+)`)
	zkLatency = regexp.MustCompile(`(?m)^Latency min/avg/max: [0-9.]+/([0-9.]+)/`)
)

func pingOne(ctx context.Context, addr string) ZooKeeperServer {
	s := ZooKeeperServer{Addr: addr}
	text, err := fourLetters(ctx, addr, "srvr")
	switch {
	case err != nil:
		s.Err = fmt.Errorf("ZooKeeper at %s: %w", addr, err)
	case text == "":
		s.Err = fmt.Errorf("ZooKeeper at %s takes connections but says nothing; is it ZooKeeper?", addr)
	case strings.Contains(text, "not currently serving"):
		s.Err = fmt.Errorf("ZooKeeper at %s serves no requests: it has no quorum", addr)
	default:
		s.Version, s.Mode = submatch(zkVersion, text), submatch(zkMode, text)
		s.Latency, _ = strconv.ParseFloat(submatch(zkLatency, text), 64) // 0 where it is not told
	}
	return s
}

func submatch(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// fourLetters sends a command and reads the answer, which the server ends by
// closing.
func fourLetters(ctx context.Context, addr, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, zookeeperPing)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // only read
	deadline, _ := ctx.Deadline()       // it has one, see above
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(conn, 16<<10))
	return string(b), err
}
