{{/* A map of free texts. Quoted, because `toYaml` writes U+0085 and its like as they are, which YAML reads as line breaks. */}}
{{- define "CHART.texts" -}}
{{- $lines := list -}}
{{- range $key, $text := . -}}
{{- $lines = append $lines (printf "%s: %s" (quote $key) (quote $text)) -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}

{{/* Common annotations, for objects that have none of their own: with their indentation, and nothing at all if there are none. */}}
{{- define "CHART.annotations" -}}
{{- with .Values.commonAnnotations }}
  annotations:
    {{- include "CHART.texts" . | nindent 4 }}
{{- end }}
{{- end -}}
