// Package zktest runs a real ZooKeeper on this machine for tests: one server or
// several, on loopback addresses, each in a Java process that can be killed,
// paused and started again. Java and Maven have to be installed; the jars are fetched once
// and kept in the user's cache folder.
//
// It is no way to run ZooKeeper for anything else. No process outlives the test
// that started it, however that ends.
package zktest
