#compdef gopush
# Completion of gopush for zsh. Put it where $fpath leads to, under the name _gopush:
# gopush completion zsh > "${fpath[1]}/_gopush"

# What may stand behind the command $1.
_gopush_at() {
    commands=() flags=() valued=() args=()
    case $1 in
{{- range .}}
    {{quote .At}})
        {{- if .Commands}}
        commands=(
            {{- range .Commands}}
            {{quote (printf "%s:%s" (colons .Name) (colons .Help))}}
            {{- end}}
        )
        {{- end}}
        flags=(
            {{- range .Flags}}
            {{quote (printf "%s:%s" (colons .Name) (colons .Help))}}
            {{- end}}
        )
        valued=({{range .Flags}}{{if .Valued}}{{.Name}} {{end}}{{end}})
        {{- if .Args}}
        args=({{join .Args " "}})
        {{- end}}
        ;;
{{- end}}
    esac
}

# A value of the option $2 of the command $1.
_gopush_value() {
    case "$1 $2" in
{{- range $p := .}}{{range .Flags}}
{{- if .Values}}
    {{quote (printf "%s %s" $p.At .Name)}}) compadd -- {{join .Values " "}} ;;
{{- else if .File}}
    {{quote (printf "%s %s" $p.At .Name)}}) _files ;;
{{- else if .Folder}}
    {{quote (printf "%s %s" $p.At .Name)}}) _files -/ ;;
{{- end}}{{end}}{{end}}
    esac
}

_gopush() {
    local at='' option='' word i
    local -a commands flags valued args
    _gopush_at ''
    for ((i = 2; i < CURRENT; i++)); do
        word=${words[i]}
        if [[ -n $option ]]; then
            option='' # that was its value
        elif [[ $word == -* ]]; then
            (( ${valued[(Ie)$word]} )) && option=$word
        elif (( ${commands[(I)${(b)word}:*]} )); then
            at=${at:+$at }$word
            _gopush_at "$at"
        fi
    done
    if [[ -z $option && ${words[CURRENT]} == --*=* ]]; then
        option=${words[CURRENT]%%=*}
        compset -P '*='
    fi
    if [[ -n $option ]]; then
        _gopush_value "$at" "$option"
    elif [[ ${words[CURRENT]} == -* ]]; then
        _describe -o option flags
    else
        (( $#commands )) && _describe command commands
        (( $#args )) && compadd -- $args
    fi
}

if [[ $funcstack[1] == _gopush ]]; then
    _gopush "$@"
else
    compdef _gopush gopush
fi
