package e2e

import (
	"testing"

	"go.uber.org/goleak"

	"gopush/hbase/hbasetest"
)

func TestMain(m *testing.M) {
	ServeChild()
	goleak.VerifyTestMain(hbasetest.Main(withTables{m}))
}
