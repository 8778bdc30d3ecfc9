package scale

import "math"

// Load is what devices do. It is assumed, not measured: put your own numbers in.
type Load struct {
	Devices     float64
	Online      float64 // share of devices that are connected
	Messages    float64 // to one device, in a day
	Peak        float64 // the busiest moment, in averages of the day
	Batched     float64 // share of pushes that come in batches
	Body        float64 // bytes of a message
	Retention   float64 // days
	HeartbeatS  float64 // between two pings
	Reconnects  float64 // of one device, in a day
	Replication float64 // copies in HDFS
	Rows        float64 // of one push: a second one for its idempotency key
}

// Assumed is the load of the page.
func Assumed(devices, heartbeatS float64) Load {
	return Load{
		Devices: devices, Online: 0.3, Messages: 20, Peak: 5, Batched: 0.5, Body: 200, Retention: 7,
		HeartbeatS: heartbeatS, Reconnects: 10, Replication: 3, Rows: 2,
	}
}

// Node is the machine of the page.
func Node() Machine {
	return Machine{Cores: 8, MemoryGB: 32, Busy: 0.5, Connections: 500_000, RegionCores: 16, MeasuredCores: 2, DiskTB: 8}
}

// Machine is what a node runs on. Busy is the share of its cores that is planned for.
type Machine struct {
	Cores, MemoryGB float64
	Busy            float64
	// Connections is comet.max_connections, which is also what descriptors are needed
	// for.
	Connections float64
	// RegionCores is the number of cores of a region server, Measured the number with
	// which its rate was measured.
	RegionCores, MeasuredCores float64
	DiskTB                     float64 // of one region server's machine
}

// Plan is what the load needs. Counts of nodes are rounded up; a spare of each comes on
// top, and an alternate for each comet.
type Plan struct {
	Online, Pushes, Deliveries, Heartbeats, Reconnects float64 // connections; per second at the peak

	CometCores, CometMemoryGB, Comets float64
	ConnectionsEach                   float64
	WebCores, Webs                    float64
	MessageCores, MessageNodes        float64

	Rows, RegionsByRate, StoredTB, RegionsByDisk, RegionServers float64

	HeartbeatMbit, MessageMbit float64

	ZooKeeperWrites, ZooKeeperRequests float64

	// BroadcastS is how long all cores of every comet compute to deliver one broadcast.
	BroadcastS float64

	// StormS is how long the successor of one comet computes when all its clients come
	// back at once; StormReads how many store reads that is, and StormReadS how long all
	// region servers need for them.
	StormS, StormReads, StormReadS float64
	// RingMoves is how many clients move when one group joins.
	RingMoves, RingS float64
}

const (
	day = 86_400
	us  = 1e-6
	// packet is what IPv4 and TCP with time stamps add to each segment, in bytes.
	packet = 52
	// pingBytes is a ping, its pong and the acknowledgement of that: frames of 2 and
	// 6 bytes in three packets.
	pingBytes = 2 + 6 + 3*packet
	// frameBytes is what the JSON of a message's frame has besides the body: type, two
	// ids, expiry and the header of the frame.
	frameBytes = 110
	// messageBytes is what a delivery has besides the body: the frame, its packet and
	// the acknowledgement.
	messageBytes = frameBytes + 2*packet
)

// ForLoad computes a plan.
func ForLoad(c *Costs, l Load, m Machine) Plan {
	p := Plan{Online: l.Devices * l.Online}
	p.Pushes = l.Devices * l.Messages / day * l.Peak
	p.Deliveries = p.Pushes * l.Online
	p.Heartbeats = p.Online / l.HeartbeatS
	p.Reconnects = l.Devices * l.Reconnects / day * l.Peak
	p.comets(c, l, m)
	p.WebCores = us * p.Pushes * mixed(l, c.PushWeb, c.BatchWeb)
	p.Webs = nodes(p.WebCores, m)
	p.MessageCores = us * p.Pushes * mixed(l, c.PushMessage, c.BatchMessage)
	p.MessageNodes = nodes(p.MessageCores, m)
	p.store(c, l, m)
	p.HeartbeatMbit = p.Heartbeats * pingBytes * 8 / 1e6
	p.MessageMbit = p.Deliveries * (l.Body + messageBytes) * 8 / 1e6
	p.ZooKeeperWrites = p.Comets * c.ZooKeeperWrites.Value
	p.ZooKeeperRequests = requests(c, p.Comets, p.Webs+p.MessageNodes)
	p.BroadcastS = us * p.ConnectionsEach * c.Delivery.Value / m.Cores
	p.StormS = us * p.ConnectionsEach * c.Reconnect.Value / m.Cores
	p.StormReads = p.ConnectionsEach * c.ReconnectReads.Value
	p.StormReadS = p.StormReads / (p.RegionServers * c.PagesRead.Value / m.MeasuredCores * m.RegionCores)
	p.RingMoves = p.Online / (p.Comets + 1)
	p.RingS = us * p.RingMoves * c.Moved.Value / m.Cores
	return p
}

// requests is how many ZooKeeper answers per second: every process reads what there is
// of every group, two comets of each and others.
func requests(c *Costs, groups, others float64) float64 {
	return groups * (c.ZooKeeperOwn.Value + c.ZooKeeperEach.Value*(2*groups+others))
}

// comets are as many as processors, memory and the limit of connections ask for.
func (p *Plan) comets(c *Costs, l Load, m Machine) {
	p.CometCores = us * (p.Pushes*mixed(l, c.PushComet, c.BatchComet) + p.Deliveries*c.Delivery.Value +
		p.Heartbeats*c.Heartbeat.Value + p.Reconnects*c.Reconnect.Value)
	p.CometMemoryGB = p.Online * (c.Connection.Value + c.Socket.Value) / 1e9
	p.Comets = max(nodes(p.CometCores, m), math.Ceil(p.CometMemoryGB/(m.MemoryGB*m.Busy)), math.Ceil(p.Online/m.Connections))
	p.ConnectionsEach = p.Online / p.Comets
}

// store is by rows at the peak, and by what is kept.
func (p *Plan) store(c *Costs, l Load, m Machine) {
	p.Rows = p.Pushes * l.Rows
	rate := c.RowsWritten.Value / m.MeasuredCores * m.RegionCores * m.Busy
	p.RegionsByRate = math.Ceil(p.Rows / rate)
	p.StoredTB = l.Devices * l.Messages * l.Retention * (l.Body + c.StoredHBase.Value) * l.Replication / 1e12
	p.RegionsByDisk = math.Ceil(p.StoredTB / (m.DiskTB * m.Busy))
	p.RegionServers = max(p.RegionsByRate, p.RegionsByDisk)
}

// mixed is the cost of a push when some come in batches.
func mixed(l Load, single, batched Cost) float64 {
	return (1-l.Batched)*single.Value + l.Batched*batched.Value
}

func nodes(cores float64, m Machine) float64 { return max(1, math.Ceil(cores/(m.Cores*m.Busy))) }
