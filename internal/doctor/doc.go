// Package doctor looks for what is wrong with the surroundings of a node before
// users notice: HBase and its ZooKeeper, the table, durability, clocks, limits,
// the data folder, certificates. Each finding says what was seen and what to do. It asks
// directly, not through a running gopush, and changes nothing but one row that
// it writes to measure, and that goes by itself.
package doctor
