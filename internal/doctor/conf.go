package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"gopush/hbase"
)

// maxConf bounds the list of settings; a real one has 300 KB.
const maxConf = 8 << 20

// ServerSettings reads what a region server was started with, from the page
// /conf of its web pages.
func ServerSettings(ctx context.Context, s hbase.Server) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addr := net.JoinHostPort(s.Host, strconv.Itoa(s.InfoPort))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/conf?format=json", nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // without the URL, which is in the finding
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers HTTP %d", addr, resp.StatusCode)
	}
	var conf struct {
		Properties []struct{ Key, Value string }
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxConf)).Decode(&conf); err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	settings := make(map[string]string, len(conf.Properties))
	for _, p := range conf.Properties {
		settings[p.Key] = p.Value
	}
	return settings, nil
}
