package oldredis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"gopush/internal/push"
)

// server is one Redis.
type server struct {
	addr   string
	client *redis.Client
}

func connect(addr, password string, database int) *server {
	return &server{addr, redis.NewClient(&redis.Options{
		Addr: addr, Password: password, DB: database,
		Protocol: 2, DisableIdentity: true, // also of a Redis that is as old as what it serves
	})}
}

// run names the process of the Redis: a cursor of SCAN means nothing to another one. It is empty
// where that must not be asked.
func (s *server) run(ctx context.Context) (string, error) {
	info, err := s.client.Info(ctx, "server").Result()
	if err = s.failed(err); push.Is(err, push.KindConflict) {
		return "", nil
	}
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(line, "run_id:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", err
}

// names is a part of SCAN: some names, and where to go on; 0 is the end, and the
// beginning.
func (s *server) names(ctx context.Context, cursor uint64, match string) ([]string, uint64, error) {
	names, next, err := s.client.Scan(ctx, cursor, match, scanNames).Result()
	return names, next, s.failed(err)
}

const (
	scanNames   = 256
	pageMembers = 512
)

// members calls each for all members of a sorted set, by ascending score. Pages go by score
// and not by rank, as ranks change when the old system drops the oldest of a set.
func (s *server) members(ctx context.Context, name string, each func(redis.Z) error) error {
	from, size := "-inf", int64(pageMembers)
	seen := make(map[string]bool) // those with the score from
	for {
		page, err := s.client.ZRangeByScoreWithScores(ctx, name, &redis.ZRangeBy{Min: from, Max: "+inf", Count: size}).Result()
		if err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") {
			return reasonError{WrongType}
		}
		if err != nil {
			return s.failed(err)
		}
		fresh := 0
		for _, z := range page {
			at, member := score(z.Score), fmt.Sprint(z.Member)
			if at != from {
				from = at
				clear(seen)
			}
			if seen[member] {
				continue
			}
			seen[member] = true
			fresh++
			if err := each(z); err != nil {
				return err
			}
		}
		switch {
		case int64(len(page)) < size:
			return nil
		case fresh == 0: // more members of one score than fit
			size *= 2
		}
	}
}

func score(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// failed gives an error of Redis its kind.
func (s *server) failed(err error) error {
	if err == nil {
		return nil
	}
	if text := err.Error(); strings.HasPrefix(text, "WRONGPASS") || strings.HasPrefix(text, "NOAUTH") || strings.Contains(text, "invalid password") ||
		strings.Contains(text, "no password is set") || strings.Contains(text, "without any password configured") {
		return push.E(push.KindUnauthenticated, "Redis at %s does not take the password: %s; set GOPUSH_REDIS_PASSWORD or --password-file", s.addr, text)
	}
	if e, ok := errors.AsType[redis.Error](err); ok {
		return push.E(push.KindConflict, "Redis at %s refuses: %s", s.addr, e.Error())
	}
	return push.Wrap(push.KindStoreUnavailable, err, "Redis at %s cannot be reached", s.addr)
}
