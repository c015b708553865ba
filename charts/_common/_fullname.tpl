{{/* Base of every name. At most 52 characters: pods carry it and a hash in a label of 63. Helm also lets a release's name have
dots, which a Service's cannot. */}}
{{- define "CHART.fullname" -}}
{{- $name := default .Release.Name .Values.fullnameOverride -}}
{{- if or (gt (len $name) 52) (contains "." $name) -}}
{{- printf "%s-%s" ($name | replace "." "-" | trunc 43 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}
