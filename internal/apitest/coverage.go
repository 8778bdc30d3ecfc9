package apitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Coverage notes which answers of the document were seen.
type Coverage struct {
	doc *Document // immutable

	mu    sync.Mutex
	seen  map[string]bool // guarded by mu
	codes map[string]bool // guarded by mu: of problems
}

// NewCoverage has seen nothing.
func NewCoverage(d *Document) *Coverage {
	return &Coverage{doc: d, seen: make(map[string]bool), codes: make(map[string]bool)}
}

// Note judges an answer, and takes it as seen.
func (c *Coverage) Note(a Answer) error {
	o, err := c.doc.Judge(a)
	if err != nil {
		return err
	}
	var told struct {
		Ret  *int   `json:"ret"`
		Code string `json:"code"`
	}
	_ = json.Unmarshal(argument(a.Header.Get("Content-Type"), a.Body), &told) // of other bodies there is nothing to note
	c.mu.Lock()
	defer c.mu.Unlock()
	if told.Code != "" {
		c.codes[told.Code] = true
	}
	if o == nil {
		return nil
	}
	c.seen[status(o, a.Status)] = true
	if told.Ret != nil && a.Status == http.StatusOK {
		c.seen[ret(o, *told.Ret)] = true
	}
	return nil
}

func status(o *Operation, n int) string { return fmt.Sprintf("%s: %d", o, n) }
func ret(o *Operation, n int) string    { return fmt.Sprintf("%s: ret %d", o, n) }

// Missing are the documented statuses, and values of ret, that were not seen on the listeners.
func (c *Coverage) Missing(listeners ...string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var missing []string
	for _, o := range c.doc.Operations {
		if !slices.Contains(listeners, o.Listener) {
			continue
		}
		var all []string
		for _, n := range o.Statuses() {
			all = append(all, status(o, n))
		}
		for _, n := range o.Rets() {
			all = append(all, ret(o, n))
		}
		missing = append(missing, slices.DeleteFunc(all, func(s string) bool { return c.seen[s] })...)
	}
	return missing
}

// Count is how many different statuses and values of ret were seen.
func (c *Coverage) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// Codes are the codes of problems that were seen.
func (c *Coverage) Codes() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.codes)
}
