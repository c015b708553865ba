{{/* Labels by which the chart finds its own pods. Objects add app.kubernetes.io/component. */}}
{{- define "superlink.selector" -}}
app.kubernetes.io/name: superlink
app.kubernetes.io/instance: {{ include "superlink.fullname" . }}
{{- end -}}

{{/* Labels of every object. Never on a pod template: the chart's version there would restart pods at each upgrade. */}}
{{- define "superlink.labels" -}}
{{ include "superlink.selector" . }}
app.kubernetes.io/part-of: {{ include "superlink.federation" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Values.flower | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Common annotations, for objects that have none of their own; brings its line break along, so that none leaves no trace. */}}
{{- define "superlink.annotations" -}}
{{- with .Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/*
Every image's reference by what it runs. Each takes over from the one before it what it does not say itself; digest wins
over tag, and the chart's appVersion is the last word on tags.
*/}}
{{- define "superlink.images" -}}
{{- $superlink := .Values.image -}}
{{- $superexec := .Values.superexec.image -}}
{{- $task := .Values.tasks.image -}}
{{- $gateway := .Values.gateway.image -}}
{{- $tag := default .Chart.AppVersion $superlink.tag -}}
{{- $superexecRegistry := default $superlink.registry $superexec.registry -}}
{{- $superexecVersion := ternary (printf "@%s" $superexec.digest) (printf ":%s" (default $tag $superexec.tag)) (ne $superexec.digest "") -}}
{{- $taskVersion := $superexecVersion -}}
{{- if $task.digest -}}{{- $taskVersion = printf "@%s" $task.digest -}}
{{- else if $task.tag -}}{{- $taskVersion = printf ":%s" $task.tag -}}
{{- else if $task.repository -}}{{- $taskVersion = printf ":%s" (default $tag $superexec.tag) -}}{{- end -}}
superlink: {{ printf "%s/%s%s" $superlink.registry $superlink.repository (ternary (printf "@%s" $superlink.digest) (printf ":%s" $tag) (ne $superlink.digest "")) | quote }}
superexec: {{ printf "%s/%s%s" $superexecRegistry $superexec.repository $superexecVersion | quote }}
task: {{ printf "%s/%s%s" (default $superexecRegistry $task.registry) (default $superexec.repository $task.repository) $taskVersion | quote }}
gateway: {{ printf "%s/%s%s" (default $superlink.registry $gateway.registry) $gateway.repository (ternary (printf "@%s" $gateway.digest) (printf ":%s" $gateway.tag) (ne $gateway.digest "")) | quote }}
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
- name: {{ $name | quote }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- end -}}

{{/* The same of ServerApps: of the SuperExec, and of task pods. */}}
{{- define "superlink.serverAppEnv" -}}
{{- range $name, $value := mergeOverwrite (include "superlink.flowerEnv" . | fromYaml) .Values.superexec.env (include "superlink.startEnv" . | fromYaml) }}
- name: {{ $name | quote }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- end -}}

{{/*
Fingerprint of the files that the SuperLink's pod is started from. The admission list and the users are not in it: the
registrar and the gateway take their changes while they run. Nor is check.py, which every probe reads anew, nor the
SuperExec's client of the Kubernetes API.
*/}}
{{- define "superlink.filesChecksum" -}}
{{- $client := include "superlink.fileKey" "files/flowerbed/flower/programs/kubernetes_client.py" -}}
{{- omit (include "superlink.filesData" . | fromYaml) "check.py" $client | toJson | sha256sum -}}
{{- end -}}

{{/* Environment of secrets: every entry of these Secrets becomes a variable. */}}
{{- define "superlink.envFrom" -}}
{{- range . }}
{{- if .env }}
- secretRef:
    name: {{ .name | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Volumes of secrets that are mounted; a Secret's name may be too long for a volume's. */}}
{{- define "superlink.secretVolumes" -}}
{{- range . }}
{{- if .mountPath }}
- name: secret-{{ .name | sha256sum | trunc 10 }}
  secret:
    secretName: {{ .name | quote }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end -}}

{{/* Where they appear. */}}
{{- define "superlink.secretMounts" -}}
{{- range . }}
{{- if .mountPath }}
- name: secret-{{ .name | sha256sum | trunc 10 }}
  mountPath: {{ .mountPath | quote }}
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{/* Where a pod may run, and what for; the values of the SuperLink's pod and of `superexec` have the same keys. */}}
{{- define "superlink.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* The environment of what is added to Flower's processes (_start.tpl). */}}
{{- define "superlink.startEnv" -}}
FLOWERBED_RUN_FOLDERS: /tmp/runs
FLOWERBED_RUN_FILES: {{ .Values.superexec.runFiles }}
FLOWERBED_STARTS: /tmp/starts
{{- with .Values.superexec.maxRuns }}
FLOWERBED_MAX_RUNS: {{ . | quote }}
{{- end }}
PYTHONPATH: {{ printf "/start:%s" (default "" (get .Values.superexec.env "PYTHONPATH")) | trimSuffix ":" | quote }}
{{- end -}}
