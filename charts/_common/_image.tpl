{{/* An image's reference: a digest wins over the tag. Takes (list registry repository tag digest). */}}
{{- define "CHART.imageReference" -}}
{{- $version := ternary (printf ":%s" (index . 2)) (printf "@%s" (index . 3)) (empty (index . 3)) -}}
{{ printf "%s/%s%s" (index . 0) (index . 1) $version }}
{{- end -}}
