{{/*
What is added to Flower's processes: sitecustomize.py, which Python loads there, and its parts. With executor `kubernetes`
task pods have it from a ConfigMap in their own namespace.
*/}}
{{- define "CHART.startParts" -}}
[START_PARTS]
{{- end -}}

{{/* Takes (list $ name): the name of the ConfigMap. */}}
{{- define "CHART.startVolume" -}}
name: start
configMap:
  name: {{ index . 1 }}
  items:
    - {key: {{ include "CHART.fileKey" "files/flowerbed/flower/start/sitecustomize.py" }}, path: sitecustomize.py}
    {{- range include "CHART.startParts" (index . 0) | fromYamlArray }}
    - {key: {{ include "CHART.fileKey" (printf "files/flowerbed/flower/start/%s.py" .) }}, path: flowerbed_start/{{ . }}.py}
    {{- end }}
{{- end -}}

{{- define "CHART.startMount" -}}
{name: start, mountPath: /start, readOnly: true}
{{- end -}}

{{/* The entries of that ConfigMap in the namespace of the task pods. */}}
{{- define "CHART.startData" -}}
{{- $root := . -}}
{{- range prepend (include "CHART.startParts" . | fromYamlArray) "sitecustomize" }}
{{- $path := printf "files/flowerbed/flower/start/%s.py" . }}
{{ dict (include "CHART.fileKey" $path) ($root.Files.Get $path) | toYaml }}
{{- end }}
{{- end -}}
