package scale

// here is the machine of most measurements, and when it was.
const here = "2 cores of an AMD EPYC, busy with other work at the same time (load 20), 2026-11-27"

// quiet is the same machine with nothing else to do.
const quiet = "2 cores of an AMD EPYC with nothing else to do, 2026-11-28"

// roles measured what a push costs each role.
const roles = "`go test ./internal/e2e -run '^$' -bench Roles -benchtime 20000x`, one process for each role, embedded store; " + quiet

// onHBase measured the store on HBase.
const onHBase = "`go test ./hbase -bench .`, one region server that shares 2 cores with its HDFS, ZooKeeper and the client; the same machine, earlier"

// Measured are the costs of the page.
func Measured() Costs {
	return Costs{
		PushWeb:         Cost{"a push of its own, at web", 86, "µs", roles},
		PushComet:       Cost{"the same, at comet", 31.5, "µs", roles},
		PushMessage:     Cost{"the same, at message, with the embedded store in it", 34, "µs", roles},
		BatchWeb:        Cost{"a push in a batch, at web", 10, "µs", roles},
		BatchComet:      Cost{"the same, at comet", 9.5, "µs", roles},
		BatchMessage:    Cost{"the same, at message", 8, "µs", roles},
		Delivery:        Cost{"a delivery to one connection, at comet", 9.5, "µs", "`go test ./comet -run '^$' -bench FanOut -benchtime 300x`, 1,000 connections; writing the same bytes to as many sockets, and nothing else, took 9.7 µs in the same run; " + quiet},
		Connection:      Cost{"an idle v2 websocket, at comet: resident memory", 8225, "bytes", "`gopush bench --rate 1 --keys 10000` and `process_resident_memory_bytes` after a collection, 37.9 MB before and 120.1 MB with 10,000; heap and stack in use are 4,727 bytes of it (`-bench IdleConnection/v2`); " + here},
		Socket:          Cost{"the same, in the kernel", 4850, "bytes", "`Slab` of /proc/meminfo meanwhile, for 20,000 sockets, as both ends were here; others worked, so this is rough"},
		Heartbeat:       Cost{"a ping and its pong, at comet", 28.8, "µs", "`gopush bench --rate 1 --keys 2000 --duration 20s --ops …` with `comet.heartbeat` 1s, less the same with 1h: 1.24 s and 0.09 s for 40,000; " + here},
		Reconnect:       Cost{"a client comes back after a kill, at comet", 272, "µs", "`GOPUSH_BENCH_CLIENTS=10000 go test ./internal/e2e -run '^$' -bench Reconnect`, 10,000 clients; the same machine, earlier"},
		Moved:           Cost{"a client moves to a group that has joined, at the new comet", 266, "µs", "the same with `-bench RingChange`"},
		ReconnectReads:  Cost{"a client comes back after a kill: the store", 1, "read", "`-bench Reconnect`, with one message missed"},
		RowsWritten:     Cost{"HBase: rows written and synced", 2289, "rows/s", onHBase + ": `Save`, 64 callers; 1,917 with 256"},
		RowsBatched:     Cost{"HBase: messages of one key, pushed in one batch, in rows of many", 51_513, "messages/s", onHBase + ": `HotKey`"},
		PagesRead:       Cost{"HBase: pages of 50 messages read", 5526, "pages/s", onHBase + ": `Read`"},
		StoredEmbedded:  Cost{"embedded store: a message of 200 bytes, on disk", 256, "bytes", "`gopush bench --batch --rate 5000 --size 200 --duration 15s --readers 0 --keep`, a restart, and the size of the folder: 19.2 MB for 75,000 of noise; 204 bytes with `--no-idempotency`"},
		StoredHBase:     Cost{"HBase: a stored message beyond its body, one copy", 219, "bytes", "computed from [the format](storage.md#the-table-in-hbase) for a key of 20 bytes and an idempotency key of 16, without compression: a cell of 106 and a claim of 113"},
		ZooKeeperWrites: Cost{"ZooKeeper: writes", 0.3, "per second and group", onZooKeeper},
		ZooKeeperOwn:    Cost{"ZooKeeper: requests that prove a lease", 5.3, "per second and group", onZooKeeper},
		ZooKeeperEach:   Cost{"ZooKeeper: requests that read what there is of one group", 0.257, "per second and process", onZooKeeper},
	}
}

// onZooKeeper measured ZooKeeper; the last two are the line through 10 and 100 groups.
const onZooKeeper = "`go test ./internal/coord/zk -run '^$' -bench ZooKeeperLoad`: 0.30 writes, and 5.6, 7.5 and 30.6 requests, per second and group of 1, 10 and 100; the same machine, earlier"
