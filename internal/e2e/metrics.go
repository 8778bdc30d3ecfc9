package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// errNoMetric: nothing was counted yet, or the name is wrong.
var errNoMetric = errors.New("there is no metric")

// Metric reads a metric from the ops listener, summed over its labels.
func (a *API) Metric(ctx context.Context, name string) (float64, error) {
	res, err := a.Ops(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	if res.Status != http.StatusOK {
		return 0, &StatusError{Status: res.Status, Body: res.Body}
	}
	return sumMetric(res.Body, name)
}

// sumMetric adds up the samples of a metric in the text format.
func sumMetric(text, name string) (float64, error) {
	sum, found := 0.0, false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		if i := strings.LastIndexByte(rest, '}'); i >= 0 {
			rest = rest[i+1:]
		}
		value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("the metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("%w %s", errNoMetric, name)
	}
	return sum, nil
}
