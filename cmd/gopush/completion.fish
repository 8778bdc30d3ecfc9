# Completion of gopush for fish. For all shells:
# gopush completion fish > ~/.config/fish/completions/gopush.fish

# Whether the command line is at the command $argv.
function __gopush_at
    set -l at ''
    set -l option ''
    for word in (commandline -opc)[2..-1]
        if test -n "$option"
            set option '' # that was its value
            continue
        end
        switch "$at $word"
{{- range $p := .}}{{if .Commands}}
            case {{range .Commands}}{{quote (printf "%s %s" $p.At .Name)}} {{end}}
                set at (string trim "$at $word")
{{- end}}{{end}}
{{- range $p := .}}
            case {{range .Flags}}{{if .Valued}}{{quote (printf "%s %s" $p.At .Name)}} {{end}}{{end}}
                set option $word
{{- end}}
        end
    end
    test "$at" = "$argv"
end

complete -c gopush -f
{{- range $p := .}}
{{- range .Commands}}
complete -c gopush -n {{quote (printf "__gopush_at %s" $p.At)}} -a {{.Name}} -d {{quote .Help}}
{{- end}}
{{- range .Args}}
complete -c gopush -n {{quote (printf "__gopush_at %s" $p.At)}} -a {{.}}
{{- end}}
{{- range .Flags}}
complete -c gopush -n {{quote (printf "__gopush_at %s" $p.At)}} -l {{long .Name}} -d {{quote .Help}}
{{- if .Values}} -x -a {{quote (join .Values " ")}}
{{- else if .File}} -r -F
{{- else if .Folder}} -x -a '(__fish_complete_directories)'
{{- else if .Valued}} -x{{end}}
{{- end}}
{{- end}}
