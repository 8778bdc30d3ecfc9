package doctor

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gopush/hbase"
)

// folder is one whose lock and store say what they are told to.
func folder(path, who, found string, err error) Folder {
	return Folder{
		Path:   path,
		InUse:  func(string) (string, error) { return who, nil },
		Format: func(string) (string, string, error) { return found, "gopush 1", err },
	}
}

// TestNoFolder: a role that keeps nothing is not asked for a folder.
//
// Broken once by looking for the folder with no name.
func TestNoFolder(t *testing.T) {
	found := dataFolder(Folder{})
	if len(found) != 1 || found[0].Verdict != OK || found[0].Seen != "none is needed: this role keeps nothing in one" {
		t.Errorf("%+v", found)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		f       Folder
		check   string
		verdict Verdict
		seen    string
	}{
		"fine":         {folder(dir, "", "gopush 1", nil), "store format", OK, "gopush 1"},
		"new":          {folder(dir, "", "", nil), "store format", OK, "no store yet"},
		"used":         {folder(dir, "process 7", "x", nil), "store format", OK, "process 7 uses"},
		"of another":   {folder(dir, "", "gopush 9", nil), "store format", Wrong, `was written as "gopush 9"`},
		"damaged":      {folder(dir, "", "", errors.New("bad block")), "store format", Wrong, "bad block"},
		"missing":      {folder(filepath.Join(dir, "a", "b"), "", "", nil), "data folder", OK, "will be made"},
		"a file":       {folder(file, "", "", nil), "data folder", Wrong, "is not a folder"},
		"below a file": {folder(filepath.Join(file, "x"), "", "", nil), "data folder", Wrong, "not a directory"},
	} {
		found := dataFolder(tt.f)
		hit := false
		for _, f := range found {
			hit = hit || f.Check == tt.check && f.Verdict == tt.verdict && strings.Contains(f.Seen, tt.seen)
			if f.Verdict != OK && f.Fix == "" {
				t.Errorf("%s: nothing to do about %+v", name, f)
			}
		}
		if !hit {
			t.Errorf("%s: %+v", name, found)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := tryFile(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a file in no folder")
	}
}

func TestJudgements(t *testing.T) {
	for _, tt := range []struct {
		f    Finding
		want Verdict
	}{
		{judgeSpace("x", 10<<30), OK},
		{judgeSpace("x", 500<<20), Note},
		{judgeSpace("x", 1<<20), Wrong},
		{judgeFiles(101_000, 100_000), OK},
		{judgeFiles(20_000, 100_000), Note},
		{judgeFiles(1024, 100_000), Wrong},
	} {
		if tt.f.Verdict != tt.want || (tt.f.Fix == "") != (tt.want == OK) {
			t.Errorf("%+v, want %s", tt.f, tt.want)
		}
	}
	if f := openFiles(1); f.Verdict == Unknown {
		t.Errorf("%+v", f)
	}
}

// TestExamine: one thing that is wrong makes the whole unhealthy, a note does
// not; with HBase, there is no store in the folder to look at.
func TestExamine(t *testing.T) {
	dir := t.TempDir()
	if r := Examine(t.Context(), Patient{Folder: folder(dir, "", "gopush 1", nil), Connections: 1 << 40}); !r.Healthy {
		t.Errorf("%+v", r)
	}
	if r := Examine(t.Context(), Patient{Folder: folder(dir, "", "gopush 9", nil), Connections: 1}); r.Healthy {
		t.Errorf("%+v", r)
	}
	c := clusterOf(healthy())
	r := Examine(t.Context(), Patient{Folder: folder(dir, "", "gopush 9", nil), Connections: 1, HBase: &c})
	if !r.Healthy || len(r.Findings) != 14 {
		t.Errorf("%d: %+v", len(r.Findings), r)
	}
}

func TestServerSettings(t *testing.T) {
	body, status := `{"properties":[{"key":"hbase.rootdir","value":"hdfs://n/hbase","isFinal":false,"resource":"hbase-site.xml"},{"key":"a","value":null}]}`, 200
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/conf?format=json" {
			t.Error(r.URL)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer s.Close()
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	at := hbase.Server{Host: host, InfoPort: number}
	got, err := ServerSettings(t.Context(), at)
	if err != nil || got["hbase.rootdir"] != "hdfs://n/hbase" {
		t.Error(got, err)
	}
	status = 403
	if _, err := ServerSettings(t.Context(), at); err == nil || !strings.Contains(err.Error(), "HTTP 403") {
		t.Error(err)
	}
	status, body = 200, "<html>"
	if _, err := ServerSettings(t.Context(), at); err == nil {
		t.Error("a page passes for settings")
	}
	s.Close()
	if _, err := ServerSettings(t.Context(), at); err == nil || strings.Contains(err.Error(), "http://") {
		t.Error(err)
	}
}
