package hbasetest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	becomeOrphaner()
	goleak.VerifyTestMain(Main(m))
}
