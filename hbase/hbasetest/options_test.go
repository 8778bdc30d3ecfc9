package hbasetest

import (
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	var o Options
	if err := o.Validate(); err != nil || o.RegionServers != 2 || o.DataNodes != 1 || o.SessionTimeout != 6*time.Second || o.Progress == nil {
		t.Errorf("the zero value becomes %+v (%v)", o, err)
	}
	for want, o := range map[string]Options{
		"region servers":  {RegionServers: 17},
		"-1 region":       {RegionServers: -1},
		"4 data nodes":    {DataNodes: 4},
		"-1 data":         {DataNodes: -1},
		"session timeout": {SessionTimeout: time.Millisecond},
		"3h0m0s":          {SessionTimeout: 3 * time.Hour},
		"ports":           {Port: -1},
		"65535":           {Port: 65531, RegionServers: 2},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	for _, o := range []Options{{Port: 65530, RegionServers: 2}, {RegionServers: 16}, {DataNodes: 2}} {
		if err := o.Validate(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
