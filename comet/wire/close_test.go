package wire

import "testing"

func TestCloseCodes(t *testing.T) {
	var tr transcript
	tr.title("codes")
	texts := make(map[string]CloseCode)
	for c := CloseCode(1000); c < 5000; c++ {
		if terminal := c >= 4100 && c < 4200; c.Terminal() != terminal {
			t.Errorf("%d: Terminal is %v", c, c.Terminal())
		}
		text := c.Text()
		if text == "other" {
			continue
		}
		if other, taken := texts[text]; taken {
			t.Errorf("%d and %d are both %q", other, c, text)
		}
		texts[text] = c
		if len(text) > 123 {
			t.Errorf("%q does not fit into a close frame", text)
		}
		tr.line("%d terminal=%v %s", c, c.Terminal(), text)
	}
	tr.compare(t, "close_codes.txt")
}
