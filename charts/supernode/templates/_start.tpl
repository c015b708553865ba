{{/*
What gives each run a working folder of its own: app_folder.py, which Python loads at its start as `sitecustomize`. With
executor `kubernetes` it comes from a ConfigMap in the namespace of the task pods.
*/}}
{{- define "supernode.startEnv" -}}
FLOWERBED_RUN_FOLDERS: /tmp/runs
PYTHONPATH: {{ printf "/start:%s" (default "" (get .Values.env "PYTHONPATH")) | trimSuffix ":" | quote }}
{{- end -}}

{{- define "supernode.startVolume" -}}
{{- $names := include "supernode.names" . | fromYaml -}}
name: start
configMap:
  name: {{ ternary $names.start $names.files (eq (include "supernode.apps" .) "kubernetes") }}
  items:
    - {key: app_folder.py, path: sitecustomize.py}
{{- end -}}

{{- define "supernode.startMount" -}}
{name: start, mountPath: /start, readOnly: true}
{{- end -}}
