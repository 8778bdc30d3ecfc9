package hbase

import (
	"context"
	"fmt"
	"time"

	"github.com/tsuna/gohbase/pb"
)

// Cluster is what the master says of itself and the region servers.
type Cluster struct {
	Version string
	Master  Server
	Backups int // masters that stand by
	Live    []Server
	Dead    int // region servers that were there once
	Moving  int // regions that nobody serves at the moment
}

// Server is one process of HBase.
type Server struct {
	Host     string
	Port     int
	InfoPort int       // of its web pages; 0: none, or not known
	Reported time.Time // by its own clock, when it last reported to the master
	Regions  map[string]int
}

// Addr is host:port.
func (s Server) Addr() string { return fmt.Sprintf("%s:%d", s.Host, s.Port) }

// Cluster asks the master for the state of the whole.
func (a *Admin) Cluster(ctx context.Context) (Cluster, error) {
	msg, err := a.ask(ctx, "GetClusterStatus", &pb.GetClusterStatusRequest{}, &pb.GetClusterStatusResponse{})
	if err != nil {
		return Cluster{}, err
	}
	r, ok := msg.(*pb.GetClusterStatusResponse)
	if !ok {
		return Cluster{}, fmt.Errorf("hbase: GetClusterStatus: the master answers with a %T", msg)
	}
	s := r.GetClusterStatus()
	c := Cluster{
		Version: s.GetHbaseVersion().GetVersion(), Master: serverOf(s.GetMaster()),
		Backups: len(s.GetBackupMasters()), Dead: len(s.GetDeadServers()), Moving: len(s.GetRegionsInTransition()),
	}
	for _, live := range s.GetLiveServers() {
		server, load := serverOf(live.GetServer()), live.GetServerLoad()
		server.InfoPort = int(int32(load.GetInfoServerPort())) // -1, as an unsigned number, when there is none
		server.InfoPort = max(server.InfoPort, 0)
		if end := load.GetReportEndTime(); end > 0 {
			server.Reported = time.UnixMilli(int64(end))
		}
		server.Regions = regionsOf(load)
		c.Live = append(c.Live, server)
	}
	return c, nil
}

func serverOf(s *pb.ServerName) Server {
	return Server{Host: s.GetHostName(), Port: int(s.GetPort())}
}

// regionsOf counts a server's regions by table. A region's name begins with its
// table's, which a comma ends.
func regionsOf(load *pb.ServerLoad) map[string]int {
	count := make(map[string]int)
	for _, r := range load.GetRegionLoads() {
		name := string(r.GetRegionSpecifier().GetValue())
		for i := range name {
			if name[i] == ',' {
				count[name[:i]]++
				break
			}
		}
	}
	return count
}
