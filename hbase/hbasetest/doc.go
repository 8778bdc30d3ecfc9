// Package hbasetest runs a real HBase on this machine, for tests and for trying
// gopush out: ZooKeeper, an HDFS of one name node and one data node, an HBase
// master and region servers, each in a Java process of its own, all of them on
// loopback addresses. Data is synced to disk as in production, and every
// process can be killed, paused and started again.
//
// Java and Maven have to be installed; the jars are fetched once, checked
// against sums.txt, and kept in the user's cache folder.
//
// It is no way to run HBase for real: nothing is replicated, nobody has to log
// in, and the memory of each process is small. No process outlives the one that
// called Start, however that one ends.
package hbasetest
