package zk

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// What is kept in ZooKeeper is JSON. A field that a version does not know is
// ignored; a record whose format is above recordFormat is refused, so a change
// that older processes must not overlook counts it up.

const recordFormat = 1

type member struct {
	Group  string `json:"group"`
	Weight int    `json:"weight"`
	RPC    string `json:"rpc"`
	WS     string `json:"ws,omitempty"`
	TCP    string `json:"tcp,omitempty"`
	// Records of older versions have neither; their nodes speak plain text.
	TLS    bool `json:"tls,omitempty"`
	TCPTLS bool `json:"tcp_tls,omitempty"`
}

type candidateRecord struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
	Member member `json:"member"`
	Asked  bool   `json:"asked,omitempty"`
}

type termRecord struct {
	Format    int     `json:"format"`
	Epoch     int64   `json:"epoch"`
	Owner     string  `json:"owner"`
	Member    member  `json:"member"`
	Floor     push.ID `json:"floor"`
	Confirmed int64   `json:"confirmed"`
	CoverMS   int64   `json:"cover_ms"`
}

type ceilingRecord struct {
	Format  int     `json:"format"`
	Ceiling push.ID `json:"ceiling"`
}

type placeRecord struct {
	Group  string  `json:"group"`
	Weight int     `json:"weight"`
	Floor  push.ID `json:"floor,omitempty"`
}

type ringRecord struct {
	Format     int           `json:"format"`
	Version    int64         `json:"version"`
	Places     []placeRecord `json:"places"`
	Next       int64         `json:"next,omitempty"`
	NextPlaces []placeRecord `json:"next_places,omitempty"`
	Last       int64         `json:"last"`
	Removed    []string      `json:"removed,omitempty"`
}

type messageRecord struct {
	Format int    `json:"format"`
	RPC    string `json:"rpc"`
}

// encode is for the records above, which JSON can always hold.
func encode(record any) []byte {
	b, err := json.Marshal(record)
	if err != nil {
		panic(err)
	}
	return b
}

// decode reads a record whose format is known.
func decode(b []byte, record any) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	if head.Format < 1 || head.Format > recordFormat {
		return fmt.Errorf("its format is %d, this version knows up to %d", head.Format, recordFormat)
	}
	return json.Unmarshal(b, record)
}

func toMember(m coord.Member) member {
	return member{
		Group: m.Group, Weight: m.Weight, RPC: m.RPC,
		WS: m.Public.WS, TCP: m.Public.TCP, TLS: m.Public.TLS, TCPTLS: m.Public.TCPTLS,
	}
}

func (m member) member() (coord.Member, error) {
	c := coord.Member{Group: m.Group, Weight: m.Weight, RPC: m.RPC, Public: coord.Public{WS: m.WS, TCP: m.TCP, TLS: m.TLS, TCPTLS: m.TCPTLS}}
	return c, c.Validate()
}

func encodeCandidate(id string, m coord.Member, asked bool) []byte {
	return encode(candidateRecord{Format: recordFormat, ID: id, Member: toMember(m), Asked: asked})
}

// decodeCandidate reads the record and its place in line, which ends the name.
func decodeCandidate(name string, b []byte) (coord.Candidate, error) {
	var r candidateRecord
	if err := decode(b, &r); err != nil {
		return coord.Candidate{}, err
	}
	seq, err := strconv.ParseInt(name[strings.LastIndexByte(name, '-')+1:], 10, 64)
	if err != nil {
		return coord.Candidate{}, fmt.Errorf("its name has no number: %w", err)
	}
	m, err := r.Member.member()
	return coord.Candidate{ID: r.ID, Name: name, Seq: seq, Member: m, Asked: r.Asked}, err
}

func encodeTenure(t coord.Tenure) []byte {
	return encode(termRecord{
		Format: recordFormat, Epoch: t.Epoch, Owner: t.Owner, Member: toMember(t.Member), Floor: t.Floor,
		Confirmed: t.Confirmed, CoverMS: t.Cover.Milliseconds(),
	})
}

func decodeTenure(b []byte) (coord.Tenure, error) {
	var r termRecord
	if err := decode(b, &r); err != nil {
		return coord.Tenure{}, err
	}
	m, err := r.Member.member()
	return coord.Tenure{
		Epoch: r.Epoch, Owner: r.Owner, Member: m, Floor: r.Floor,
		Confirmed: r.Confirmed, Cover: time.Duration(r.CoverMS) * time.Millisecond,
	}, err
}

func encodeCeiling(id push.ID) []byte {
	return encode(ceilingRecord{Format: recordFormat, Ceiling: id})
}

func decodeCeiling(b []byte) (push.ID, error) {
	var r ceilingRecord
	err := decode(b, &r)
	return r.Ceiling, err
}

func toPlaces(places []coord.Place) []placeRecord {
	all := make([]placeRecord, 0, len(places))
	for _, p := range places {
		all = append(all, placeRecord(p))
	}
	return all
}

func fromPlaces(places []placeRecord) []coord.Place {
	all := make([]coord.Place, 0, len(places))
	for _, p := range places {
		all = append(all, coord.Place(p))
	}
	return all
}

func encodeRing(r coord.Ring) []byte {
	return encode(ringRecord{
		Format: recordFormat, Version: r.Version, Places: toPlaces(r.Places),
		Next: r.Next, NextPlaces: toPlaces(r.NextPlaces), Last: r.Last, Removed: r.Removed,
	})
}

func decodeRing(b []byte) (coord.Ring, error) {
	var r ringRecord
	err := decode(b, &r)
	return coord.Ring{
		Version: r.Version, Places: fromPlaces(r.Places),
		Next: r.Next, NextPlaces: fromPlaces(r.NextPlaces), Last: r.Last, Removed: r.Removed,
	}, err
}

func encodeMessage(addr string) []byte {
	return encode(messageRecord{Format: recordFormat, RPC: addr})
}

func decodeMessage(b []byte) (string, error) {
	var r messageRecord
	err := decode(b, &r)
	return r.RPC, err
}
