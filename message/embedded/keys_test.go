package embedded

import (
	"testing"

	"gopush/message"
	"gopush/message/storetest"
)

// Broken once by a seek to the key itself.
func TestKeys(t *testing.T) {
	storetest.Keys(t, func(t *testing.T, clock *storetest.Clock) message.Store { return openAt(t, t.TempDir(), clock.Now) })
}
