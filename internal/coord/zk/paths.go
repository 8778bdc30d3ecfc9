package zk

import "strings"

// paths is the root; its methods are what is kept under it.
type paths string

func (p paths) comets() string              { return string(p) + "/comets" }
func (p paths) comet(name string) string    { return p.comets() + "/" + name }
func (p paths) terms() string               { return string(p) + "/terms" }
func (p paths) term(group string) string    { return p.terms() + "/" + group }
func (p paths) ceilings() string            { return string(p) + "/ceilings" }
func (p paths) ceiling(group string) string { return p.ceilings() + "/" + group }
func (p paths) ring() string                { return string(p) + "/ring" }
func (p paths) messages() string            { return string(p) + "/messages" }
func (p paths) message(id string) string    { return p.messages() + "/" + id }

// folders are what has to be there, parents first.
func (p paths) folders() []string {
	var all []string
	for i := 1; i <= len(p); i++ {
		if i == len(p) || p[i] == '/' {
			all = append(all, string(p[:i]))
		}
	}
	return append(all, p.comets(), p.terms(), p.ceilings(), p.messages())
}

// piece says what has changed at a path, as the reader calls it.
func (p paths) piece(path string) piece {
	rest, _ := strings.CutPrefix(path, string(p)+"/")
	kind, name, _ := strings.Cut(rest, "/")
	switch kind {
	case "comets":
		return piece{kind: pieceComets, name: name}
	case "terms":
		if name == "" {
			return piece{kind: pieceTerms}
		}
		return piece{kind: pieceTerm, name: name}
	case "ring":
		return piece{kind: pieceRing}
	case "messages":
		return piece{kind: pieceMessages}
	default:
		return piece{}
	}
}
