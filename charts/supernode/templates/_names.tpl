{{/*
Names and ports: the chart's one home of them. generator/flowerbed/names.py says the same, and a test compares the two.
Helpers that give several things return YAML: read them with `fromYaml`.
*/}}

{{/* The federation's name, for labels: empty, because this chart is not given it. */}}
{{- define "supernode.federation" -}}
{{- end -}}

{{/* Every object's name, by what it is. */}}
{{- define "supernode.names" -}}
{{- $base := include "supernode.fullname" . -}}
keys: {{ default (printf "%s-node-keys" $base) .Values.keys.existingSecret | quote }}
superexecSecret: {{ default (printf "%s-superexec" $base) .Values.superexec.existingSecret | quote }}
superexec: {{ $base }}-superexec
runtime: {{ $base }}-runtime
files: {{ $base }}-files
nodes: {{ $base }}-nodes
ca: {{ $base }}-ca
executor: {{ $base }}-executor
start: {{ $base }}-start
tasks: {{ $base }}-tasks
test: {{ $base }}-test
operators: {{ $base }}-operators
{{- end -}}

{{/* Names of the two ServiceAccounts. */}}
{{- define "supernode.accounts" -}}
{{- $account := .Values.serviceAccount -}}
{{- $name := default (ternary (include "supernode.fullname" .) "default" $account.create) $account.name -}}
supernode: {{ $name | quote }}
superexec: {{ ternary (printf "%s-superexec" $name) $name $account.create | quote }}
{{- end -}}

{{/* Port of a SuperNode's own Runtime API. */}}
{{- define "supernode.runtimePort" -}}
9094
{{- end -}}

{{/* Domain of the names under which SuperExecs and task pods dial single SuperNodes. */}}
{{- define "supernode.runtimeDomain" -}}
{{ include "supernode.fullname" . }}-runtime.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{/*
Where ClientApps run: `supernode`, `sidecar`, `deployment` or `kubernetes`. The first two are in the StatefulSet's pods; for
the other two the SuperNodes serve their Runtime API to other pods.
*/}}
{{- define "supernode.apps" -}}
{{- if eq .Values.isolationMode "subprocess" -}}supernode{{- else -}}{{ .Values.superexec.executor }}{{- end -}}
{{- end -}}

{{/* "true" if SuperExecs run in pods of their own, else nothing. */}}
{{- define "supernode.apart" -}}
{{- if has (include "supernode.apps" .) (list "deployment" "kubernetes") -}}true{{- end -}}
{{- end -}}
