package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"gopush/internal/doctor"
)

// TestDoctor of the embedded store: fine in an empty folder, and beside a server
// that runs; not fine where the data folder cannot be one.
func TestDoctor(t *testing.T) {
	got := gopush(t, "", "--json", "doctor")
	var r doctor.Report
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != exitOK || !r.Healthy || len(r.Findings) < 3 {
		t.Errorf("%v %+v", err, got)
	}
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got = gopushHere(t.Context(), "", "doctor", "--data", "file")
	if got.code != exitFailure || !strings.Contains(got.out, "wrong    data folder: file is not a folder\n         -> Name a folder with --data.\n") ||
		got.err != "gopush: something is wrong; see above\n" {
		t.Errorf("%+v", got)
	}
}

// TestDoctorWithoutHBase: it looks at what can be looked at, and ends.
func TestDoctorWithoutHBase(t *testing.T) {
	got := gopush(t, "", "doctor", "--store", "hbase", "--zookeeper", "127.0.0.1:1")
	if got.code != exitFailure || !strings.Contains(got.out, "wrong    ZooKeeper: ZooKeeper at 127.0.0.1:1") || !strings.Contains(got.out, "-> Start ZooKeeper") {
		t.Errorf("%+v", got)
	}
}
