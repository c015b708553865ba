{{/* Labels by which the chart finds its own pods. Objects add app.kubernetes.io/component. */}}
{{- define "superlink.selector" -}}
app.kubernetes.io/name: superlink
app.kubernetes.io/instance: {{ include "superlink.fullname" . }}
{{- end -}}

{{/* Labels of every object. Never on a pod template: the chart's version there would restart pods at each upgrade. */}}
{{- define "superlink.labels" -}}
{{ include "superlink.selector" . }}
app.kubernetes.io/part-of: {{ include "superlink.federation" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Values.flower | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Every image's reference by what it runs: digest, then tag, then the chart's appVersion. */}}
{{- define "superlink.images" -}}
{{- $images := .Values.images -}}
{{- $task := $images.task -}}
{{- if not $task.repository -}}{{- $task = $images.superexec -}}{{- end -}}
{{- range $name, $image := dict "superlink" $images.superlink "superexec" $images.superexec "task" $task "gateway" $images.gateway }}
{{- $suffix := printf ":%s" (default $.Chart.AppVersion $image.tag) }}
{{- if $image.digest }}{{ $suffix = printf "@%s" $image.digest }}{{ end }}
{{ $name }}: {{ printf "%s/%s%s" (default $image.registry $images.registry) $image.repository $suffix | quote }}
{{- end }}
{{- end -}}

{{/* Security context of every pod; on OpenShift the namespace's own ids apply. */}}
{{- define "superlink.podSecurityContext" -}}
{{- if .Values.openshift -}}
{{ omit .Values.podSecurityContext "runAsUser" "runAsGroup" "fsGroup" | toYaml }}
{{- else -}}
{{ toYaml .Values.podSecurityContext }}
{{- end -}}
{{- end -}}

{{/*
Environment that every Flower process needs: no telemetry, no update check, everything that it writes below /tmp, because
the root file system is read-only and its user may have no home.
*/}}
{{- define "superlink.flowerEnv" -}}
FLWR_TELEMETRY_ENABLED: "0"
FLWR_DISABLE_UPDATE_CHECK: "1"
FLWR_HOME: /tmp/flwr
FLWR_LOG_LEVEL: {{ .Values.logLevel }}
HOME: /tmp
NO_PROXY: 127.0.0.1,localhost,.svc,.{{ .Values.clusterDomain }}
TMPDIR: /tmp
PYTHONDONTWRITEBYTECODE: "1"
PYTHONUNBUFFERED: "1"
{{- end -}}

{{/* Environment of the SuperLink as Kubernetes lists it. `$` is doubled: Kubernetes would expand $(NAME). */}}
{{- define "superlink.superlinkEnv" -}}
{{- range $name, $value := mergeOverwrite (include "superlink.flowerEnv" . | fromYaml) .Values.env }}
- name: {{ $name }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- end -}}

{{/* The same of ServerApps: of the SuperExec, and of task pods. */}}
{{- define "superlink.serverAppEnv" -}}
{{- range $name, $value := mergeOverwrite (include "superlink.flowerEnv" . | fromYaml) .Values.superexec.env }}
- name: {{ $name }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- end -}}

{{/* Pull secrets of every pod. */}}
{{- define "superlink.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/*
Fingerprint of the files that pods are started from. The admission list and the users are not in it: the registrar and the
gateway take their changes while they run.
*/}}
{{- define "superlink.filesChecksum" -}}
{{- include "superlink.files" . | sha256sum -}}
{{- end -}}
