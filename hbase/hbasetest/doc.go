// Package hbasetest runs a real HBase on this machine, for tests and for trying
// gopush out: ZooKeeper, an HDFS of one name node and its data nodes, an HBase
// master and region servers, each in a Java process of its own, all of them on
// loopback addresses. Data is synced to disk as in production, and every
// process can be killed, paused and started again.
//
// Tests that need an HBase and do it no harm take Shared, which is one for all
// packages under "make test"; their TestMain runs Main. Those that kill something
// start a stack of their own with New, which takes a quarter of a minute on
// two idle processors, 20 s of processor time, and 1.2 GB of memory.
//
// Java and Maven have to be installed; the jars are fetched once, checked
// against sums.txt at each start, and kept in the user's cache folder, or the
// one that CacheEnv names.
//
// It is no way to run HBase for real: all copies are on one machine, nobody has to log
// in, and the memory of each process is small. No process outlives the one that
// called Start, however that one ends. Its folder does, though, if it is killed.
package hbasetest
