package serve

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/config"
)

// reloads is what of a System can change while it runs, and how it went.
type reloads struct {
	mu    sync.Mutex    // held through a reload: there is one at a time
	now   config.Serve  // guarded by mu: the settings that hold
	parts []preparation // guarded by mu; only grows

	outcomes *prometheus.CounterVec
	refused  atomic.Bool  // the last one was
	at       atomic.Int64 // of the last one that was not, in ns since 1970
}

// preparation makes a part ready for settings and changes nothing yet: it reads files and
// checks. The step is taken once every part is ready for its own, so that no part has the
// new settings where another one refuses them.
type preparation func(config.Serve) (step, error)

// step takes over what was prepared.
type step struct {
	// take cannot fail; nil: there is nothing to do.
	take func()
	// news says what is new beside the settings themselves, such as the content of a
	// file that one of them names. Empty: nothing. It is logged, so it is no secret.
	news string
}

// onReload has a part prepared and its step taken: at once, with the settings that hold,
// and whenever they are read again. An error at once says that the part cannot begin.
func (s *System) onReload(prepare preparation) error {
	r := &s.reloads
	r.mu.Lock()
	defer r.mu.Unlock()
	first, err := prepare(r.now)
	if err != nil {
		return err
	}
	if first.take != nil {
		first.take()
	}
	r.parts = append(r.parts, prepare)
	return nil
}

// Reload reads the settings again and takes over what can change while the System runs:
// all of that, or nothing if anything is wrong. It logs one line, with the names of the
// settings that have changed and of those that need a restart for it, or with all that
// is wrong; and reports whether the settings were taken.
func (s *System) Reload(read func() (config.Serve, error)) bool {
	r := &s.reloads
	r.mu.Lock()
	defer r.mu.Unlock()
	changed, restart, err := s.reload(read)
	r.refused.Store(err != nil)
	if err != nil {
		r.outcomes.WithLabelValues("refused").Inc()
		s.log.Error("the settings were not reloaded, all old ones still hold; correct what is wrong, then send SIGHUP again", slog.Any("error", err))
		return false
	}
	r.outcomes.WithLabelValues("applied").Inc()
	r.at.Store(time.Now().UnixNano())
	say := s.log.Info
	if len(restart) > 0 {
		say = s.log.Warn
	}
	say("settings reloaded", slog.String("changed", listed(changed)), slog.String("need_restart", listed(restart)))
	return true
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// reload is called with the lock held.
func (s *System) reload(read func() (config.Serve, error)) (changed, restart []string, err error) {
	r := &s.reloads
	next, err := read()
	if err != nil {
		return nil, nil, err
	}
	if err := next.Validate(); err != nil {
		return nil, nil, err
	}
	now, changed, restart := r.now.Reload(next)
	steps := make([]step, len(r.parts))
	var errs []error
	for i, prepare := range r.parts {
		var err error
		if steps[i], err = prepare(now); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	for _, st := range steps {
		if st.take != nil {
			st.take()
		}
		if st.news != "" {
			changed = append(changed, st.news)
		}
	}
	r.now = now
	foreign := func(path string) bool { return !s.cfg.Roles.concern(path) }
	return slices.DeleteFunc(changed, foreign), slices.DeleteFunc(restart, foreign), nil
}
