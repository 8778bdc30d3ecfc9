package zk

// withNext is a record with a field that versions of today do not know.
func withNext(record []byte) []byte {
	return append(record[:len(record)-1:len(record)-1], `,"next":{"of":"the next version"}}`...)
}
