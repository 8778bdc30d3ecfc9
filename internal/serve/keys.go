package serve

import (
	"fmt"
	"io/fs"
	"os"

	"gopush/internal/config"
	"gopush/internal/token"
)

// maxKeysFile bounds the file of the keys that sign tokens, in bytes.
const maxKeysFile = 256 << 10

// tokenKeys reads the keys of clients' tokens, at the start and at each reload.
func (s *System) tokenKeys() preparation {
	held := "" // the text that holds; guarded by the reloads' lock
	return func(settings config.Serve) (step, error) {
		path := settings.Tokens.KeysFile
		// It is somebody else's, perhaps not to be written.
		text, err := readSecret(path, maxKeysFile, s.log, func(*os.File, fs.FileMode) error { return nil })
		if err != nil {
			return step{}, fmt.Errorf("token keys: %w", err)
		}
		keys, err := token.ParseKeys(text)
		if err != nil {
			return step{}, fmt.Errorf("token keys: %s: %w", path, err)
		}
		if s.tokens == nil {
			a, err := token.New(token.Config{MaxLife: settings.Tokens.MaxLife, Follows: true}, keys)
			return step{take: func() { s.tokens, held = a, text }}, err
		}
		if text == held {
			return step{}, nil
		}
		return step{take: func() {
			_ = s.tokens.SetKeys(keys) // there are some
			held = text
		}, news: "the token keys"}, nil
	}
}
