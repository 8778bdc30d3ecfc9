package web

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// sink is a ResponseWriter that keeps nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) Flush()                      {}
func (s *sink) EnableFullDuplex() error     { return nil }

func benchServe(b *testing.B, h http.Handler, method, target, body string) {
	b.Helper()
	first := httptest.NewRequest(method, target, nil)
	first.Header.Set("Authorization", "Bearer "+testToken)
	first.ContentLength = int64(len(body))
	b.ReportAllocs()
	for b.Loop() {
		r := first.WithContext(b.Context())
		r.Body = io.NopCloser(strings.NewReader(body))
		w := &sink{header: make(http.Header)}
		h.ServeHTTP(w, r)
		if w.status >= 400 {
			b.Fatal(w.status)
		}
	}
}

// BenchmarkPush is one v2 push through the whole handler, over a cluster that
// costs nothing: what the web role adds.
func BenchmarkPush(b *testing.B) {
	s := newServer(b, newCluster(b, "node1"), discard())
	benchServe(b, s.Admin(), "POST", "/v2/messages", `{"key":"terry","data":{"text":"hello"},"transient":true}`)
}

func BenchmarkPushV1(b *testing.B) {
	s := newServer(b, newCluster(b, "node1"), discard())
	benchServe(b, s.Admin(), "POST", "/1/admin/push/private?key=terry&expire=0", `{"text":"hello"}`)
}

// BenchmarkBatch is a batch of 1,000 lines; divide for one line.
func BenchmarkBatch(b *testing.B) {
	s := newServer(b, newCluster(b, "node1"), discard())
	var body strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&body, `{"key":"user%d","data":{"text":"hello"},"transient":true}`+"\n", i%100)
	}
	benchServe(b, s.Admin(), "POST", "/v2/messages/batch", body.String())
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
}

func benchFetch(b *testing.B, target string) {
	c := newCluster(b, "node1")
	for i := range 20 {
		c.put("terry", fmt.Sprintf(`{"n":%d,"text":"a message of a usual length, as a phone shows it"}`, i))
	}
	benchServe(b, newServer(b, c, discard()).Public(), "GET", target, "")
}

// BenchmarkFetch reads 20 messages in the three forms.
func BenchmarkFetch(b *testing.B) {
	b.Run("v2", func(b *testing.B) { benchFetch(b, "/v2/messages?key=terry&after=0") })
	b.Run("v1", func(b *testing.B) { benchFetch(b, "/1/msg/get?k=terry&m=0") })
	b.Run("plain", func(b *testing.B) { benchFetch(b, "/msg/get?key=terry&mid=0") })
}

// BenchmarkPushOverHTTP has a real connection under it: the floor is net/http.
func BenchmarkPushOverHTTP(b *testing.B) {
	s := newServer(b, newCluster(b, "node1"), discard())
	base := listen(b, s.httpServer(b.Context(), s.Admin()))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), "POST", base+"/v2/messages", strings.NewReader(`{"key":"terry","data":1,"transient":true}`))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+testToken)
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}
