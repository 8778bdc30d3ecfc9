package bench

import (
	"bytes"
	"math/rand/v2"
	"strconv"
)

// body is the message number n of a stream; s is -1 for public messages. It is
// padded to size bytes, and carries what a reader needs to tell what it got. The
// padding is noise of 6 bits a byte: a store that compresses shall not profit.
func appendBody(dst []byte, run string, s, n, size int) []byte {
	start := len(dst)
	dst = append(append(append(dst, `{"bench":"`...), run...), `","s":`...)
	dst = strconv.AppendInt(dst, int64(s), 10)
	dst = append(dst, `,"n":`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, `,"pad":"`...)
	const end = `"}`
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	noise, left := rand.NewPCG(uint64(s), uint64(n)), 0
	for word := uint64(0); len(dst)-start < size-len(end); left-- {
		if left == 0 {
			word, left = noise.Uint64(), 10
		}
		dst = append(dst, letters[word%64])
		word /= 64
	}
	return append(dst, end...)
}

// parseBody reads a body of this run. It knows the one form that appendBody writes,
// as it is called for each delivery.
func parseBody(data []byte, run string) (s, n int, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"bench":"`))
	if !ok {
		return 0, 0, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(run+`","s":`)); !ok {
		return 0, 0, false
	}
	first, rest, ok := bytes.Cut(rest, []byte(`,"n":`))
	if !ok {
		return 0, 0, false
	}
	second, _, ok := bytes.Cut(rest, []byte{','})
	if !ok {
		return 0, 0, false
	}
	s, err := strconv.Atoi(string(first))
	if err != nil {
		return 0, 0, false
	}
	n, err = strconv.Atoi(string(second))
	return s, n, err == nil && n >= 0
}
