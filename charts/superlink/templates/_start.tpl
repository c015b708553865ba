{{/*
What gives each run a working folder of its own: app_folder.py, which Python loads at its start as `sitecustomize`. With
executor `kubernetes` it comes from a ConfigMap in the namespace of the task pods.
*/}}
{{- define "superlink.startEnv" -}}
FLOWERBED_RUN_FOLDERS: /tmp/runs
FLOWERBED_RUN_FILES: {{ .Values.superexec.runFiles }}
PYTHONPATH: {{ printf "/start:%s" (default "" (get .Values.superexec.env "PYTHONPATH")) | trimSuffix ":" | quote }}
{{- end -}}

{{- define "superlink.startVolume" -}}
{{- $names := include "superlink.names" . | fromYaml -}}
name: start
configMap:
  name: {{ ternary $names.start $names.files (eq .Values.superexec.executor "kubernetes") }}
  items:
    - {key: app_folder.py, path: sitecustomize.py}
{{- end -}}

{{- define "superlink.startMount" -}}
{name: start, mountPath: /start, readOnly: true}
{{- end -}}
