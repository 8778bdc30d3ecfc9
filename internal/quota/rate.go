package quota

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is one bucket for all. It holds what may be taken in one second, and is full at
// first. The zero value is ready.
type Rate struct {
	mu        sync.Mutex
	perSecond int           // guarded by mu: what the bucket was made for
	bucket    *rate.Limiter // guarded by mu
}

// Take takes one, if the rate allows it now; 0 per second is no limit. Another rate than
// before begins with a full bucket.
func (r *Rate) Take(perSecond int, now time.Time) bool {
	if perSecond == 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bucket == nil || r.perSecond != perSecond {
		r.perSecond, r.bucket = perSecond, newBucket(perSecond)
	}
	return r.bucket.AllowN(now, 1)
}

// maxBuckets bounds those of a generation.
const maxBuckets = 16 << 10

// full is how long a bucket takes to become full again; then it need not be kept.
const full = time.Second

// Rates is a bucket as in Rate for each of whatever K names, such as sources. The zero value
// is ready. That of K names nothing, and is never limited.
//
// Memory is bounded by two generations of buckets: those that were taken from lately, and
// those from before. What stays unused for a generation is dropped: it is full again, or
// more than a generation holds have come since, and then it starts afresh.
type Rates[K comparable] struct {
	mu         sync.Mutex
	perSecond  int                 // guarded by mu: what the buckets were made for
	young, old map[K]*rate.Limiter // guarded by mu
	turned     time.Time           // guarded by mu: when young began
}

// Take takes one from the bucket of k, if the rate allows it now; 0 per second is no limit.
// With another rate than before all buckets are full again.
func (r *Rates[K]) Take(k K, perSecond int, now time.Time) bool {
	var nothing K
	if perSecond == 0 || k == nothing {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young == nil || r.perSecond != perSecond {
		r.perSecond, r.turned = perSecond, now
		r.young, r.old = make(map[K]*rate.Limiter), nil
	}
	b := r.young[k]
	if b == nil {
		if len(r.young) >= maxBuckets || now.Sub(r.turned) >= full {
			r.young, r.old, r.turned = make(map[K]*rate.Limiter), r.young, now
		}
		if b = r.old[k]; b == nil {
			b = newBucket(perSecond)
		}
		delete(r.old, k)
		r.young[k] = b
	}
	return b.AllowN(now, 1)
}

// held is how many buckets there are.
func (r *Rates[K]) held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.young) + len(r.old)
}

func newBucket(perSecond int) *rate.Limiter { return rate.NewLimiter(rate.Limit(perSecond), perSecond) }
