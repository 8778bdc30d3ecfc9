package scale

// Cost is the price of one operation or thing, and where it comes from.
type Cost struct {
	What  string
	Value float64
	Unit  string
	How   string // the command, and when and where it ran
}

// Costs are all prices that the tables rest on. Times are of one processor core.
type Costs struct {
	PushWeb, PushComet, PushMessage    Cost // one push as a request of its own, in µs
	BatchWeb, BatchComet, BatchMessage Cost // one line of a batch, in µs
	Delivery                           Cost // one message to one connection, in µs
	Connection, Socket                 Cost // one idle v2 websocket, in bytes: of the process, of the kernel
	Heartbeat                          Cost // one ping and its answer, in µs
	Reconnect                          Cost // one client that comes back with a cursor, in µs
	Moved                              Cost // one client whose key moves to another group, in µs
	ReconnectReads                     Cost // of the store, for each client that comes back
	RowsWritten                        Cost // per second and region server
	RowsBatched                        Cost // the same, messages of one key in bursts
	PagesRead                          Cost // per second and region server
	StoredEmbedded                     Cost // one message of 200 bytes, in bytes on disk
	StoredHBase                        Cost // one message, in bytes beyond its body
	ZooKeeperWrites                    Cost // per second and group
	ZooKeeperOwn                       Cost // requests per second and group that do not grow
	ZooKeeperEach                      Cost // requests per second and group, for each process that looks at them
}

// list is all of them, in the order of the page.
func (c *Costs) list() []Cost {
	return []Cost{
		c.PushWeb, c.PushComet, c.PushMessage, c.BatchWeb, c.BatchComet, c.BatchMessage, c.Delivery, c.Connection, c.Socket, c.Heartbeat,
		c.Reconnect, c.Moved, c.ReconnectReads, c.RowsWritten, c.RowsBatched, c.PagesRead, c.StoredEmbedded, c.StoredHBase,
		c.ZooKeeperWrites, c.ZooKeeperOwn, c.ZooKeeperEach,
	}
}
