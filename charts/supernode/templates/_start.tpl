{{/*
What is added to Flower's processes: process_start.py, which Python loads there as `sitecustomize`, and its parts. With executor
`kubernetes` task pods have it from a ConfigMap in their own namespace.
*/}}
{{- define "supernode.startParts" -}}
[flower_hooks, app_folder, app_starts, app_stop]
{{- end -}}

{{- define "supernode.startEnv" -}}
FLOWERBED_RUN_FOLDERS: /tmp/runs
FLOWERBED_STARTS: /tmp/starts
PYTHONPATH: {{ printf "/start:%s" (default "" (get .Values.env "PYTHONPATH")) | trimSuffix ":" | quote }}
{{- end -}}

{{/* Takes (list $ name): the name of the ConfigMap. */}}
{{- define "supernode.startVolume" -}}
name: start
configMap:
  name: {{ index . 1 }}
  items:
    - {key: process_start.py, path: sitecustomize.py}
    {{- range include "supernode.startParts" (index . 0) | fromYamlArray }}
    - {key: {{ . }}.py, path: flowerbed_start/{{ . }}.py}
    {{- end }}
{{- end -}}

{{- define "supernode.startMount" -}}
{name: start, mountPath: /start, readOnly: true}
{{- end -}}

{{/* The entries of that ConfigMap in the namespace of the task pods. */}}
{{- define "supernode.startData" -}}
{{- $root := . -}}
{{- range prepend (include "supernode.startParts" . | fromYamlArray) "process_start" }}
{{ . }}.py: {{ $root.Files.Get (printf "files/scripts/%s.py" .) | quote }}
{{- end }}
{{- end -}}
