{{/* Namespace of the task pods. */}}
{{- define "CHART.taskNamespace" -}}
{{- default (printf "%s-tasks" .Release.Namespace) .Values.tasks.namespace -}}
{{- end -}}

{{/* This release's task pods: Flower's executor gives them the first label, its configuration the second. */}}
{{- define "CHART.taskSelector" -}}
app.kubernetes.io/component: taskexecutor
app.kubernetes.io/instance: {{ include "CHART.fullname" . }}
{{- end -}}
