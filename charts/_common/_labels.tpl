{{/* Labels by which the chart finds its own pods. Objects add app.kubernetes.io/component. */}}
{{- define "CHART.selector" -}}
app.kubernetes.io/name: CHART
app.kubernetes.io/instance: {{ include "CHART.fullname" . }}
{{- end -}}

{{/*
Labels of every object. Never on a pod template: the chart's version there would restart pods, or make a new run, at each
upgrade. `CHART.federation` is empty where a release does not know of which federation it is part.
*/}}
{{- define "CHART.labels" -}}
{{ include "CHART.selector" . }}
{{- with include "CHART.federation" . }}
app.kubernetes.io/part-of: {{ . | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Values.flower | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
