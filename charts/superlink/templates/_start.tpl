{{/*
What is added to Flower's processes: process_start.py, which Python loads there as `sitecustomize`, and its parts. With executor
`kubernetes` task pods have it from a ConfigMap in their own namespace.
*/}}
{{- define "superlink.startParts" -}}
[flower_hooks, app_folder, app_starts, app_stop]
{{- end -}}

{{- define "superlink.startEnv" -}}
FLOWERBED_RUN_FOLDERS: /tmp/runs
FLOWERBED_RUN_FILES: {{ .Values.superexec.runFiles }}
FLOWERBED_STARTS: /tmp/starts
{{- with .Values.superexec.maxRuns }}
FLOWERBED_MAX_RUNS: {{ . | quote }}
{{- end }}
PYTHONPATH: {{ printf "/start:%s" (default "" (get .Values.superexec.env "PYTHONPATH")) | trimSuffix ":" | quote }}
{{- end -}}

{{/* Takes (list $ name): the name of the ConfigMap. */}}
{{- define "superlink.startVolume" -}}
name: start
configMap:
  name: {{ index . 1 }}
  items:
    - {key: process_start.py, path: sitecustomize.py}
    {{- range include "superlink.startParts" (index . 0) | fromYamlArray }}
    - {key: {{ . }}.py, path: flowerbed_start/{{ . }}.py}
    {{- end }}
{{- end -}}

{{- define "superlink.startMount" -}}
{name: start, mountPath: /start, readOnly: true}
{{- end -}}

{{/* The entries of that ConfigMap in the namespace of the task pods. */}}
{{- define "superlink.startData" -}}
{{- $root := . -}}
{{- range prepend (include "superlink.startParts" . | fromYamlArray) "process_start" }}
{{ . }}.py: {{ $root.Files.Get (printf "files/scripts/%s.py" .) | quote }}
{{- end }}
{{- end -}}
