{{/* What is allowed and yet worth a second look, one line each. */}}
{{- define "app.warnings" -}}
{{- if .Values.insecure }}
insecure: nothing is encrypted, and anybody on the way can read and change the app and its models. For tests only.
{{- end }}
{{- if and (eq (include "app.source" .) "git") (not (regexMatch "^[0-9a-f]{40}([0-9a-f]{24})?$" .Values.app.git.ref)) }}
app.git.ref: {{ .Values.app.git.ref }} can be moved; a full commit cannot.
{{- end }}
{{- if not .Values.networkPolicy.enabled }}
networkPolicy.enabled: false lets the Job reach whatever this namespace reaches.
{{- else if not (or .Values.superlink.namespace .Values.networkPolicy.superlinkCidrs) }}
networkPolicy.superlinkCidrs: is empty, so the Job may dial any address on the SuperLink's port.
{{- end }}
{{- end -}}
