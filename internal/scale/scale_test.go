package scale

import (
	"flag"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables of the page")

const docFile = "../../docs/scale.md"

// TestPage holds the tables of docs/scale.md to the arithmetic.
//
// Broken once by changing a cost, and once by changing a number of the page.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"costs": costTable(), "assumptions": assumptionTable(), "plans": planTable(), "zookeeper": zooKeeperTable()} {
		begin, end := fmt.Sprintf("<!-- %s: written by the test of internal/scale, with -update -->\n", name), fmt.Sprintf("<!-- end of %s -->\n", name)
		before, rest, ok := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no place for the %s: the lines %q and %q", docFile, name, begin, end)
		}
		want = before + begin + "\n" + table + "\n" + end + after
	}
	if *update {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil { //nolint:gosec // documentation is for everybody
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("the page differs from the arithmetic; run go test ./internal/scale -update")
	}
}

func costTable() string {
	var b strings.Builder
	b.WriteString("| | cost | how it was measured |\n|---|---|---|\n")
	c, above := Measured(), ""
	for _, cost := range c.list() {
		how := cost.How
		if how == above {
			how = "as above"
		}
		above = cost.How
		fmt.Fprintf(&b, "| %s | %s %s | %s |\n", cost.What, short(cost.Value), cost.Unit, how)
	}
	return b.String()
}

func assumptionTable() string {
	var b strings.Builder
	l, m := Assumed(1e7, 30), Node()
	b.WriteString("| | |\n|---|---|\n")
	for _, row := range [][2]string{
		{"devices online", short(100*l.Online) + " %"},
		{"messages to a device in a day", short(l.Messages)},
		{"peak over the average", short(l.Peak) + " ×"},
		{"pushes that come in batches", short(100*l.Batched) + " %"},
		{"body", short(l.Body) + " bytes"},
		{"kept for", short(l.Retention) + " days, " + short(l.Replication) + " copies"},
		{"rows in HBase for a push", short(l.Rows) + ", as it has an idempotency key"},
		{"a device connects anew", short(l.Reconnects) + " times a day"},
		{"a comet, web or message node", fmt.Sprintf("%s cores, %s GB, planned to be %s %% busy", short(m.Cores), short(m.MemoryGB), short(100*m.Busy))},
		{"`comet.max_connections`, and descriptors", short(m.Connections)},
		{"a region server", fmt.Sprintf("%s cores, %s TB of disk; its rate grows with its cores from the one measured on %s", short(m.RegionCores), short(m.DiskTB), short(m.MeasuredCores))},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	return b.String()
}

// zooKeeperTable shows how requests grow with groups; others are as many processes as
// there are groups, half of all comets.
func zooKeeperTable() string {
	var b strings.Builder
	b.WriteString("| groups, with two comets each, and as many web and message nodes together | writes per second | requests per second |\n|---|---|---|\n")
	c := Measured()
	for _, groups := range []float64{1, 10, 50, 100, 200, 500, 1000} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", short(groups), short(groups*c.ZooKeeperWrites.Value), short(requests(&c, groups, groups)))
	}
	return b.String()
}

// scenarios are the columns of the table of plans.
func scenarios() (names []string, plans []Plan) {
	c, m := Measured(), Node()
	for _, devices := range []float64{1e7, 1e8} {
		for _, heartbeat := range []float64{30, 300} {
			names = append(names, fmt.Sprintf("%s million, heartbeat %s s", short(devices/1e6), short(heartbeat)))
			plans = append(plans, ForLoad(&c, Assumed(devices, heartbeat), m))
		}
	}
	return names, plans
}

func planTable() string {
	var b strings.Builder
	names, plans := scenarios()
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, row := range rows {
		cells := make([]string, len(plans))
		for i := range plans {
			cells[i] = short(row.of(&plans[i]))
		}
		fmt.Fprintf(&b, "| %s | %s |\n", row.name, strings.Join(cells, " | "))
	}
	return b.String()
}

// rows are the lines of the table of plans.
var rows = []struct {
	name string
	of   func(p *Plan) float64
}{
	{"connections", func(p *Plan) float64 { return p.Online }},
	{"pushes per second at the peak", func(p *Plan) float64 { return p.Pushes }},
	{"deliveries per second to connected devices", func(p *Plan) float64 { return p.Deliveries }},
	{"heartbeats per second", func(p *Plan) float64 { return p.Heartbeats }},
	{"connections made per second", func(p *Plan) float64 { return p.Reconnects }},
	{"comet: busy cores", func(p *Plan) float64 { return p.CometCores }},
	{"comet: memory of connections, GB", func(p *Plan) float64 { return p.CometMemoryGB }},
	{"**comet groups**", func(p *Plan) float64 { return p.Comets }},
	{"connections, and descriptors, of each", func(p *Plan) float64 { return p.ConnectionsEach }},
	{"web: busy cores", func(p *Plan) float64 { return p.WebCores }},
	{"**web nodes**", func(p *Plan) float64 { return p.Webs }},
	{"message: busy cores", func(p *Plan) float64 { return p.MessageCores }},
	{"**message nodes**", func(p *Plan) float64 { return p.MessageNodes }},
	{"rows written per second", func(p *Plan) float64 { return p.Rows }},
	{"region servers for the rate", func(p *Plan) float64 { return p.RegionsByRate }},
	{"stored, TB, all copies", func(p *Plan) float64 { return p.StoredTB }},
	{"region servers for the disk", func(p *Plan) float64 { return p.RegionsByDisk }},
	{"**region servers**", func(p *Plan) float64 { return p.RegionServers }},
	{"heartbeats, Mbit/s", func(p *Plan) float64 { return p.HeartbeatMbit }},
	{"messages to devices, Mbit/s", func(p *Plan) float64 { return p.MessageMbit }},
	{"ZooKeeper: writes per second", func(p *Plan) float64 { return p.ZooKeeperWrites }},
	{"ZooKeeper: requests per second", func(p *Plan) float64 { return p.ZooKeeperRequests }},
	{"a broadcast: every comet computes, s", func(p *Plan) float64 { return p.BroadcastS }},
	{"a comet dies: its successor computes, s", func(p *Plan) float64 { return p.StormS }},
	{"a comet dies: reads of the store", func(p *Plan) float64 { return p.StormReads }},
	{"a comet dies: region servers need for them, s", func(p *Plan) float64 { return p.StormReadS }},
	{"a group joins: clients that move", func(p *Plan) float64 { return p.RingMoves }},
	{"a group joins: it computes, s", func(p *Plan) float64 { return p.RingS }},
}

// short writes a number with at most three digits that count, and a space between
// thousands.
func short(v float64) string {
	if v >= 1000 {
		digits := math.Pow(10, math.Floor(math.Log10(v))-2)
		text := fmt.Sprintf("%.0f", math.Round(v/digits)*digits)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	}
	return strings.TrimSuffix(fmt.Sprintf("%.3g", v), ".0")
}

func TestShort(t *testing.T) {
	for want, v := range map[string]float64{"0": 0, "0.3": 0.3, "5.25": 5.249, "12.3": 12.34, "999": 999, "1,000": 1000, "12,300": 12_345, "1,230,000": 1_234_567} {
		if got := short(v); got != want {
			t.Errorf("%g is %s, want %s", v, got, want)
		}
	}
}

// TestArithmetic: an example that can be followed with a pencil.
func TestArithmetic(t *testing.T) {
	c := Measured()
	c.PushComet.Value, c.BatchComet.Value, c.Delivery.Value, c.Heartbeat.Value, c.Reconnect.Value = 100, 20, 10, 30, 300
	c.Connection.Value, c.Socket.Value, c.RowsWritten.Value, c.StoredHBase.Value = 6000, 4000, 1000, 100
	l := Load{Devices: 864_000, Online: 0.5, Messages: 10, Peak: 2, Batched: 0.5, Body: 100, Retention: 10, HeartbeatS: 60, Reconnects: 5, Replication: 2, Rows: 2}
	m := Machine{Cores: 4, MemoryGB: 8, Busy: 0.5, Connections: 100_000, RegionCores: 4, MeasuredCores: 2, DiskTB: 0.01}
	p := ForLoad(&c, l, m)
	for name, c := range map[string]struct{ got, want float64 }{
		"connections":    {p.Online, 432_000},
		"pushes":         {p.Pushes, 200},
		"deliveries":     {p.Deliveries, 100},
		"heartbeats":     {p.Heartbeats, 7200},
		"reconnects":     {p.Reconnects, 100},
		"cores":          {p.CometCores, 200*60e-6 + 100*10e-6 + 7200*30e-6 + 100*300e-6},
		"memory":         {p.CometMemoryGB, 4.32},
		"comets":         {p.Comets, 5}, // as 432,000 connections do not fit on 4
		"rows":           {p.Rows, 400},
		"rate":           {p.RegionsByRate, 1},
		"stored":         {p.StoredTB, 0.03456},
		"disk":           {p.RegionsByDisk, 7},
		"region servers": {p.RegionServers, 7},
		"ping":           {p.HeartbeatMbit, 7200 * 164 * 8 / 1e6},
		"broadcast":      {p.BroadcastS, 86_400 * 10e-6 / 4},
		"zookeeper":      {requests(&c, 100, 30), 100 * (5.3 + 0.257*230)},
		"storm":          {p.StormS, 86_400 * 300e-6 / 4},
	} {
		if math.Abs(c.got-c.want) > 1e-9*c.want {
			t.Errorf("%s: %g, want %g", name, c.got, c.want)
		}
	}
}

// TestEveryCostCounts: no cost is measured for nothing, unless the page only tells it.
func TestEveryCostCounts(t *testing.T) {
	told := map[string]bool{"RowsBatched": true, "StoredEmbedded": true}
	before := ForLoad(new(Measured()), Assumed(1e8, 30), Node())
	for i := range reflect.TypeFor[Costs]().NumField() {
		c := Measured()
		v, ok := reflect.TypeAssert[*Cost](reflect.ValueOf(&c).Elem().Field(i).Addr())
		if !ok {
			t.Fatal("there is something else than a cost")
		}
		if v.What == "" || v.Unit == "" || v.How == "" || v.Value <= 0 {
			t.Errorf("%+v is not described", v)
		}
		v.Value *= 10
		name := reflect.TypeFor[Costs]().Field(i).Name
		if same := ForLoad(&c, Assumed(1e8, 30), Node()) == before; same != told[name] {
			t.Errorf("%s changes the plan: %t", name, !same)
		}
	}
	if n := len(new(Measured()).list()); n != reflect.TypeFor[Costs]().NumField() {
		t.Errorf("%d costs are on the page", n)
	}
}
