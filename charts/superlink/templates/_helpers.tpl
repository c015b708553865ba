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
superlink: {{ include "superlink.imageReference" (list $superlink.registry $superlink.repository $tag $superlink.digest) | quote }}
superexec: {{ printf "%s/%s%s" $superexecRegistry $superexec.repository $superexecVersion | quote }}
task: {{ printf "%s/%s%s" (default $superexecRegistry $task.registry) (default $superexec.repository $task.repository) $taskVersion | quote }}
gateway: {{ include "superlink.imageReference" (list (default $superlink.registry $gateway.registry) $gateway.repository $gateway.tag $gateway.digest) | quote }}
{{- end -}}

{{/* Environment of every Flower process. */}}
{{- define "superlink.flowerEnv" -}}
{{ include "superlink.processEnv" . }}
FLWR_LOG_LEVEL: {{ .Values.logLevel }}
NO_PROXY: 127.0.0.1,localhost,.svc,.{{ .Values.clusterDomain }}
{{- end -}}

{{/* Environment of the SuperLink. */}}
{{- define "superlink.superlinkEnv" -}}
{{- include "superlink.envList" (mergeOverwrite (include "superlink.flowerEnv" . | fromYaml) .Values.env) -}}
{{- end -}}

{{/* The same of ServerApps: of the SuperExec, and of task pods. */}}
{{- define "superlink.serverAppEnv" -}}
{{- $start := include "superlink.startEnv" . | fromYaml -}}
{{- include "superlink.envList" (mergeOverwrite (include "superlink.flowerEnv" . | fromYaml) .Values.superexec.env $start) -}}
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
