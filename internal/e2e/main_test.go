package e2e

import (
	"testing"

	"go.uber.org/goleak"

	"gopush/hbase/hbasetest"
)

func TestMain(m *testing.M) {
	ServeChild()
	becomeOther()
	keepDisk()
	goleak.VerifyTestMain(hbasetest.Main(withTables{m}))
}
