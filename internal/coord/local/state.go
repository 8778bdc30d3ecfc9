package local

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// state is what is durable of one group.
type state struct {
	group   string
	epoch   int64
	ceiling push.ID // every id that was ever allowed is at or below it
}

// The forms of the files. A later version that changes one counts up, so that an
// older binary refuses it instead of misreading it.
const (
	stateHead = "gopush ids 1"
	groupHead = "gopush groups 1"
	sumPrefix = "crc32c "
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealed joins lines to a text whose last line is a checksum of those before,
// so that a torn or edited file is noticed.
func sealed(lines ...string) []byte {
	text := strings.Join(lines, "\n") + "\n"
	return fmt.Appendf(nil, "%s%s%08x\n", text, sumPrefix, crc32.Checksum([]byte(text), castagnoli))
}

// opened undoes sealed.
func opened(b []byte) ([]string, error) {
	text := string(b)
	at := strings.LastIndex(text, sumPrefix)
	if at < 1 || text[at-1] != '\n' {
		return nil, errors.New("it has no checksum line")
	}
	lines := strings.Split(text[:at-1], "\n")
	if string(sealed(lines...)) != text {
		return nil, errors.New("its checksum is wrong")
	}
	return lines, nil
}

func (s state) encode() []byte {
	return sealed(stateHead, "group "+s.group,
		"epoch "+strconv.FormatInt(s.epoch, 10), "ceiling "+s.ceiling.String())
}

// decodeState reads what encode wrote; nothing else passes.
func decodeState(b []byte) (state, error) {
	lines, err := opened(b)
	if err != nil {
		return state{}, err
	}
	if len(lines) != 4 || lines[0] != stateHead {
		return state{}, fmt.Errorf("it does not begin with %q and hold four lines", stateHead)
	}
	var s state
	s.group = strings.TrimPrefix(lines[1], "group ")
	if err := checkGroup(s.group); err != nil {
		return state{}, err
	}
	if s.epoch, err = strconv.ParseInt(strings.TrimPrefix(lines[2], "epoch "), 10, 64); err != nil {
		return state{}, fmt.Errorf("epoch: %w", err)
	}
	ceiling, err := strconv.ParseInt(strings.TrimPrefix(lines[3], "ceiling "), 10, 64)
	if err != nil {
		return state{}, fmt.Errorf("ceiling: %w", err)
	}
	s.ceiling = push.ID(ceiling)
	if s.epoch < 1 || s.ceiling < 0 {
		return state{}, errors.New("its epoch or ceiling is out of range")
	}
	// Signs, leading zeros and missing names would pass the steps above.
	if string(s.encode()) != string(b) {
		return state{}, errors.New("it is not in the form that this version writes")
	}
	return s, nil
}

// encodeGroups writes the list of groups that have a state file, in order.
func encodeGroups(groups []string) []byte {
	return sealed(append([]string{groupHead}, groups...)...)
}

func decodeGroups(b []byte) ([]string, error) {
	lines, err := opened(b)
	if err != nil {
		return nil, err
	}
	if lines[0] != groupHead {
		return nil, fmt.Errorf("it does not begin with %q", groupHead)
	}
	for _, g := range lines[1:] {
		if err := checkGroup(g); err != nil {
			return nil, err
		}
	}
	return lines[1:], nil
}

// checkGroup keeps names to what is safe as a file name and as a line.
func checkGroup(name string) error { return coord.CheckGroup(name) }
