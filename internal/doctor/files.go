package doctor

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gopush/internal/cert"
)

// maxMetrics bounds what is read of the metrics of a process.
const maxMetrics = 8 << 20

// usedFiles asks the process that serves, if there is one, how many files it has open.
func usedFiles(ctx context.Context, ops string, secure bool) []Finding {
	const check = about("files in use")
	host, port, err := net.SplitHostPort(ops)
	if err != nil || port == "0" {
		return nil
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
	}
	addr, scheme := net.JoinHostPort(host, port), "http://"
	if secure {
		scheme = "https://"
	}
	open, limit, err := scrape(ctx, scheme+addr)
	switch {
	case err != nil:
		return []Finding{check.ok("no process serves at %s, so there are none to count", addr)}
	case open <= 0 || limit <= 0:
		return []Finding{check.say(Unknown, "Look at /proc/PID/fd and /proc/PID/limits.", "what answers at %s does not tell", addr)}
	}
	return []Finding{judgeUsed(open, limit)}
}

func judgeUsed(open, limit float64) Finding {
	const check = about("files in use")
	const fix = "Raise the limit (LimitNOFILE of systemd, or ulimits of a container), or add a node."
	switch {
	case open >= 0.95*limit:
		return check.say(Wrong, fix, "the process has %.0f of %.0f open: the next connections are refused", open, limit)
	case open >= 0.8*limit:
		return check.say(Note, fix, "the process has %.0f of %.0f open", open, limit)
	}
	return check.ok("the process has %.0f of %.0f open", open, limit)
}

// scrape reads two metrics of the process; 0: it does not have one.
func scrape(ctx context.Context, base string) (open, limit float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return 0, 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: cert.ThisMachine()}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close() // only read
	lines := bufio.NewScanner(io.LimitReader(resp.Body, maxMetrics))
	for lines.Scan() {
		switch name, value, _ := strings.Cut(lines.Text(), " "); name {
		case "process_open_fds":
			open, _ = strconv.ParseFloat(value, 64) // 0 says that it is not told
		case "process_max_fds":
			limit, _ = strconv.ParseFloat(value, 64)
		}
	}
	return open, limit, lines.Err()
}
