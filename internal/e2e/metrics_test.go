package e2e

import "testing"

func TestSumMetric(t *testing.T) {
	const text = "# HELP a_total x\n# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"}\"} 3 1700000000\na_totals 100\nb 1.5e3\n"
	for name, want := range map[string]float64{"a_total": 5, "b": 1500} {
		if got, err := sumMetric(text, name); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := sumMetric(text, "a_tot"); err == nil {
		t.Error("half of a name is found")
	}
	if _, err := sumMetric("c x\n", "c"); err == nil {
		t.Error("a value that is no number is read")
	}
}
