package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gopush/internal/push"
)

// Return codes of protocol v1.
const (
	retOK       = 0
	retNoNode   = 1001
	retParam    = 65534
	retInternal = 65535
)

// Headers that carry what the bodies of protocol v1 have no field for.
const (
	v1ErrorHeader = "Gopush-Error"
	v1IDHeader    = "Gopush-Message-Id"
)

// v1Form is one of the spellings of protocol v1: what its parameters are called
// and what its replies look like.
type v1Form struct {
	key, proto, cursor, public, token, callback string
	plain                                       bool // replies carry "msg":"ok", messages are strings
	list                                        bool // the server is a list of addresses
}

var (
	v1Versioned = v1Form{key: "k", proto: "p", cursor: "m", public: "pm", token: "t", callback: "cb"}
	v1List      = v1Form{key: "k", proto: "p", callback: "cb", list: true}
	v1Plain     = v1Form{key: "key", proto: "proto", cursor: "mid", public: "pmid", token: "token", callback: "callback", plain: true}
)

// refusal is an error in the terms of protocol v1.
type refusal struct {
	ret int
	err error
}

// refuse makes a refusal with its sentence for Gopush-Error.
func refuse(ret int, format string, args ...any) *refusal {
	return &refusal{ret: ret, err: push.E(push.KindBadRequest, format, args...)}
}

// refusalOf maps the error of another role.
func refusalOf(err error) *refusal {
	ret := retInternal
	switch push.KindOf(err) {
	case push.KindNoNode:
		ret = retNoNode
	case push.KindTooLarge:
		ret = retParam
	default:
	}
	return &refusal{ret: ret, err: err}
}

// callbackName reads the name of the JSONP function; empty: plain JSON.
func (f v1Form) callbackName(q url.Values) (string, *refusal) {
	name := q.Get(f.callback)
	if name != "" && !isCallback(name) {
		return "", refuse(retParam, "the callback is no plain JavaScript name of at most 64 characters")
	}
	return name, nil
}

// isCallback accepts ^[A-Za-z_$][\w$.]{0,63}$: nothing that could end the call
// and begin another script.
func isCallback(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '$'
		if !letter && (i == 0 || c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// keyOf reads the subscription key.
func (f v1Form) keyOf(q url.Values) (push.Key, *refusal) {
	key, err := push.ParseKey(q.Get(f.key))
	if err != nil {
		return "", &refusal{ret: retParam, err: err}
	}
	return key, nil
}

// open appends the beginning of a reply, up to its first member.
func (f v1Form) open(dst []byte, callback string) []byte {
	if callback != "" {
		dst = append(append(dst, callback...), '(')
	}
	return append(dst, '{')
}

// end appends the rest of a reply after its data, if there was any.
func (f v1Form) end(dst []byte, callback string, ret int) []byte {
	if f.plain {
		dst = append(dst, `"msg":"ok",`...)
	}
	dst = strconv.AppendInt(append(dst, `"ret":`...), int64(ret), 10)
	dst = append(dst, '}')
	if callback != "" {
		dst = append(dst, ')')
	}
	return dst
}

// contentType is that of a reply with or without a callback.
func contentType(callback string) string {
	if callback != "" {
		return "application/javascript;charset=utf-8"
	}
	return "application/json;charset=utf-8"
}

// reply writes a whole reply; data is the JSON of its member data, or empty.
func (f v1Form) reply(w http.ResponseWriter, callback, data string, no *refusal) {
	ret := retOK
	if no != nil {
		ret = no.ret
		explain(w, no.err)
	}
	body := f.open(nil, callback)
	if data != "" {
		body = append(append(append(body, `"data":`...), data...), ',')
	}
	reply(w, http.StatusOK, contentType(callback), f.end(body, callback, ret))
}

// explain puts the reason of a refusal into its header.
func explain(w http.ResponseWriter, err error) {
	note(w, err)
	w.Header().Set(v1ErrorHeader, headerText(detailOf(err)))
}

// headerText makes a sentence fit for a header: printable ASCII, one line.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// serve adapts a public handler of protocol v1: answer returns the JSON of
// the reply's data.
func (f v1Form) serve(answer func(r *http.Request, q url.Values) (string, *refusal)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		callback, no := f.callbackName(q)
		data := ""
		if no == nil {
			data, no = answer(r, q)
		}
		f.reply(w, callback, data, no)
	}
}

// v1ServerGet tells a client its comet node.
func (s *Server) v1ServerGet(f v1Form) http.HandlerFunc {
	here := f.serve(func(_ *http.Request, q url.Values) (string, *refusal) {
		key, no := f.keyOf(q)
		if no != nil {
			return "", no
		}
		proto := q.Get(f.proto)
		if proto != "1" && proto != "2" {
			return "", refuse(retParam, "the parameter %s must be 1 (websocket) or 2 (TCP)", f.proto)
		}
		g, _, err := s.owner(key)
		if err != nil {
			return "", refusalOf(err)
		}
		addr := g.Public.WS
		if proto == "2" {
			addr = g.Public.TCP
		}
		if addr == "" {
			return "", refusalOf(push.E(push.KindNoNode, "the key's node does not serve this protocol"))
		}
		if f.list {
			return `{"server":[` + quote(addr) + `]}`, nil
		}
		return `{"server":` + quote(addr) + `}`, nil
	})
	return func(w http.ResponseWriter, r *http.Request) {
		if key, no := f.keyOf(r.URL.Query()); no != nil || !s.getOld(w, r, f, key) {
			here(w, r)
		}
	}
}

// v1TimeGet gives a safe first cursor.
func (s *Server) v1TimeGet(f v1Form) http.HandlerFunc {
	return f.serve(func(r *http.Request, _ url.Values) (string, *refusal) {
		id, err := s.firstCursor(r.Context())
		if err != nil {
			// Unlike a key without a node this is no state a client knows.
			return "", &refusal{ret: retInternal, err: err}
		}
		return `{"timeid":` + id.String() + `}`, nil
	})
}

// quote writes s as encoding/json does, HTML escapes included, as clients of
// protocol v1 know it.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string cannot fail
	return string(b)
}
