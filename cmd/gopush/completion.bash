# Completion of gopush for bash. For this shell: source <(gopush completion bash)
# For all: gopush completion bash > ~/.local/share/bash-completion/completions/gopush

# What may stand behind the command $1.
_gopush_at() {
    commands='' flags='' valued='' args=''
    case $1 in
{{- range .}}
    {{quote .At}})
        {{- if .Commands}}
        commands='{{range .Commands}}{{.Name}} {{end}}'
        {{- end}}
        flags='{{range .Flags}}{{.Name}} {{end}}'
        valued=' {{range .Flags}}{{if .Valued}}{{.Name}} {{end}}{{end}}'
        {{- if .Args}}
        args='{{join .Args " "}}'
        {{- end}}
        ;;
{{- end}}
    esac
}

# The value $cur of the option $2 of the command $1.
_gopush_value() {
    case "$1 $2" in
{{- range $p := .}}{{range .Flags}}
{{- if .Values}}
    {{quote (printf "%s %s" $p.At .Name)}}) COMPREPLY=($(compgen -W {{quote (join .Values " ")}} -- "$cur")) ;;
{{- else if .File}}
    {{quote (printf "%s %s" $p.At .Name)}}) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
{{- else if .Folder}}
    {{quote (printf "%s %s" $p.At .Name)}}) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
{{- end}}{{end}}{{end}}
    esac
}

_gopush() {
    local cur=${COMP_WORDS[COMP_CWORD]} at='' option='' word i commands flags valued args
    COMPREPLY=()
    _gopush_at ''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $option ]]; then
            [[ $word == '=' ]] || option='' # that was its value
        elif [[ $word == -* ]]; then
            [[ $valued == *" $word "* ]] && option=$word
        elif [[ " $commands" == *" $word "* ]]; then
            at=${at:+$at }$word
            _gopush_at "$at"
        fi
    done
    if [[ -n $option ]]; then
        [[ $cur == '=' ]] && cur=''
        _gopush_value "$at" "$option"
    elif [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    else
        COMPREPLY=($(compgen -W "$commands $args" -- "$cur"))
    fi
}

complete -F _gopush gopush
