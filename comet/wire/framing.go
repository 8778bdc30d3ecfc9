package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"gopush/internal/push"
)

// Bounds of the v1 framing over TCP.
const (
	maxArguments = 5
	// maxArgument is the longest argument that is still read, in bytes; what is
	// longer is no subscription at all.
	maxArgument = MaxToken
	// maxDigits is the most digits of a count or length.
	maxDigits = 10

	command = "sub"
)

// argumentLimits are the longest useful arguments, in their order: command,
// key, heartbeat, token, version. A longer one is read past and then refused,
// so that the client gets its answer.
var argumentLimits = [maxArguments]int{len(command), push.MaxKeyBytes, 20, MaxToken, MaxVersion}

// ReadSubscribe reads the first packet of a v1 TCP client:
//
//	*<n>\r\n, then n times $<length>\r\n<data>\r\n
//
// with the arguments sub, key, heartbeat, token, version; the last two may be
// missing. It takes exactly these bytes from r, so that what follows in the same
// segment stays there. Nothing is allocated for a length before it was checked.
//
// The error is ErrMalformed, ErrParameter (then the whole packet was read), or
// that of r; io.ErrUnexpectedEOF when the packet ends in the middle.
func ReadSubscribe(r *bufio.Reader) (Subscribe, error) {
	n, err := readNumber(r, '*')
	if err != nil {
		return Subscribe{}, readError(err)
	}
	if n < 1 || n > maxArguments {
		return Subscribe{}, fmt.Errorf("%w: %d arguments, it must be 1 to %d", ErrMalformed, n, maxArguments)
	}
	var args [maxArguments]string
	fits := true
	for i := range n {
		var ok bool
		if args[i], ok, err = readArgument(r, argumentLimits[i]); err != nil {
			return Subscribe{}, readError(err)
		}
		fits = fits && ok
	}
	switch {
	case !fits:
		return Subscribe{}, fmt.Errorf("%w: an argument is too long", ErrParameter)
	case args[0] != command:
		return Subscribe{}, fmt.Errorf("%w: unknown command", ErrParameter)
	}
	// What is missing is empty, and so refused where it is needed.
	return newSubscribe(args[1], args[2], args[3], args[4])
}

// readArgument reads one argument. One above limit is read past, and not ok.
func readArgument(r *bufio.Reader, limit int) (arg string, ok bool, err error) {
	n, err := readNumber(r, '$')
	if err != nil {
		return "", false, err
	}
	if n > maxArgument {
		return "", false, fmt.Errorf("%w: an argument of %d bytes", ErrMalformed, n)
	}
	if n > limit {
		_, err = r.Discard(n)
	} else {
		b := make([]byte, n)
		_, err = io.ReadFull(r, b)
		arg = string(b)
	}
	if err != nil {
		return "", false, err
	}
	return arg, n <= limit, readCRLF(r)
}

// readNumber reads prefix, a decimal number and CRLF.
func readNumber(r *bufio.Reader, prefix byte) (int, error) {
	b, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	if b != prefix {
		return 0, fmt.Errorf("%w: %q instead of %q", ErrMalformed, b, prefix)
	}
	n := 0
	for i := 0; ; i++ {
		if b, err = r.ReadByte(); err != nil {
			return 0, err
		}
		if b == '\r' && i > 0 {
			break
		}
		if b < '0' || b > '9' || i == maxDigits {
			return 0, fmt.Errorf("%w: %q in a number", ErrMalformed, b)
		}
		n = 10*n + int(b-'0')
	}
	return n, readByte(r, '\n')
}

func readCRLF(r *bufio.Reader) error {
	if err := readByte(r, '\r'); err != nil {
		return err
	}
	return readByte(r, '\n')
}

func readByte(r *bufio.Reader, want byte) error {
	b, err := r.ReadByte()
	if err == nil && b != want {
		err = fmt.Errorf("%w: %q instead of %q", ErrMalformed, b, want)
	}
	return err
}

// readError tells an end in the middle of the packet from other failures.
func readError(err error) error {
	switch {
	case errors.Is(err, ErrMalformed):
		return err
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("wire: reading the subscription: %w", err)
}
