package hbase

import (
	"context"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/region"
)

// Regions counts the regions of a table by the server that has them, host:port;
// "" has those that nobody serves.
func (a *Admin) Regions(ctx context.Context, table TableName) (map[string]int, error) {
	count := make(map[string]int)
	err := a.eachRegion(ctx, table, func(_ []byte, addr string) { count[addr]++ })
	return count, err
}

// eachRegion calls each with the name of every region, and its server's address.
func (a *Admin) eachRegion(ctx context.Context, table TableName, each func(name []byte, addr string)) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	// A region's row is TABLE,STARTKEY,NUMBER; meta is in the order of these three
	// parts, and a space makes the name that follows the table's.
	err := a.rows.scan(ctx, "hbase:meta", []byte(table.String()+",,"), []byte(table.String()+" ,,"),
		map[string][]string{"info": {"regioninfo", "server"}}, func(row *hrpc.Result) bool {
			_, addr, err := region.ParseRegionInfo(row)
			if err != nil {
				addr = "" // it has no server
			}
			each(row.Cells[0].Row, addr)
			return true
		})
	return ofTable(table, err)
}
