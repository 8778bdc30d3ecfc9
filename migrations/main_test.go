package migrations

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"gopush/hbase/hbasetest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { goleak.VerifyTestMain(hbasetest.Main(m)) }
