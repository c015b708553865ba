{{/* Labels by which the chart finds its own pods. Objects add app.kubernetes.io/component. */}}
{{- define "supernode.selector" -}}
app.kubernetes.io/name: supernode
app.kubernetes.io/instance: {{ include "supernode.fullname" . }}
{{- end -}}

{{/* Labels of every object. Never on a pod template: the chart's version there would restart pods at each upgrade. */}}
{{- define "supernode.labels" -}}
{{ include "supernode.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Values.flower | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Common annotations, for objects that have none of their own: with their indentation, and nothing at all if there are none. */}}
{{- define "supernode.annotations" -}}
{{- with .Values.commonAnnotations }}
  annotations:
    {{- include "supernode.texts" . | nindent 4 }}
{{- end }}
{{- end -}}

{{/*
Every image's reference by what it runs. Each takes over from the one before it what it does not say itself; digest wins
over tag, and the chart's appVersion is the last word on tags.
*/}}
{{- define "supernode.images" -}}
{{- $image := .Values.image -}}
{{- $superexec := .Values.superexec.image -}}
{{- $task := .Values.tasks.image -}}
{{- $tag := default .Chart.AppVersion $image.tag -}}
{{- $superexecTag := default $tag $superexec.tag -}}
{{- $superexecRegistry := default $image.registry $superexec.registry -}}
{{- $own := or $task.registry $task.repository $task.tag -}}
{{- $taskDigest := ternary $task.digest (default $superexec.digest $task.digest) (not (empty $own)) -}}
supernode: {{ printf "%s/%s%s" $image.registry $image.repository (ternary (printf "@%s" $image.digest) (printf ":%s" $tag) (ne $image.digest "")) | quote }}
superexec: {{ printf "%s/%s%s" $superexecRegistry $superexec.repository (ternary (printf "@%s" $superexec.digest) (printf ":%s" $superexecTag) (ne $superexec.digest "")) | quote }}
task: {{ printf "%s/%s%s" (default $superexecRegistry $task.registry) (default $superexec.repository $task.repository) (ternary (printf "@%s" $taskDigest) (printf ":%s" (default $superexecTag $task.tag)) (ne $taskDigest "")) | quote }}
{{- end -}}

{{/*
Environment that every Flower process needs: no telemetry, no update check, everything that it writes below /tmp, because
the root file system is read-only and its user may have no home. What stands in `env` wins.
*/}}
{{- define "supernode.flowerEnv" -}}
FLWR_TELEMETRY_ENABLED: "0"
FLWR_DISABLE_UPDATE_CHECK: "1"
FLWR_HOME: /tmp/flwr
FLWR_LOG_LEVEL: {{ .Values.logLevel }}
HOME: /tmp
NO_PROXY: {{ concat (list "127.0.0.1" "localhost" ".svc" (printf ".%s" .Values.clusterDomain)) .Values.proxy.noProxy | join "," | quote }}
{{- if and .Values.proxy.url (not .Values.proxy.existingSecret) }}
HTTPS_PROXY: {{ .Values.proxy.url | quote }}
{{- end }}
TMPDIR: /tmp
PYTHONDONTWRITEBYTECODE: "1"
PYTHONUNBUFFERED: "1"
{{- end -}}

{{/* The same, as Kubernetes lists it. `$` is doubled: Kubernetes would expand $(NAME). Takes (list $ what): "start" with what is
added to Flower's processes, or "". */}}
{{- define "supernode.env" -}}
{{- $what := index . 1 -}}
{{- with index . 0 -}}
{{- $start := ternary (include "supernode.startEnv" . | fromYaml) dict (eq $what "start") -}}
{{- range $name, $value := mergeOverwrite (include "supernode.flowerEnv" . | fromYaml) .Values.env $start }}
- name: {{ $name | quote }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The same with a proxy's address out of its Secret, which Flower's executor gives to no task pod (flwr 1.41). */}}
{{- define "supernode.envWithSecrets" -}}
{{- include "supernode.env" . }}
{{- with (index . 0).Values.proxy.existingSecret }}
- name: HTTPS_PROXY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: url}
{{- end }}
{{- end -}}

{{/* Where a pod of this release may run, and what for. */}}
{{- define "supernode.scheduling" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* The beginning of every pod's spec. */}}
{{- define "supernode.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- include "supernode.scheduling" . }}
{{- end -}}

{{/* Labels of a pod template, as a map: the selector's win. */}}
{{- define "supernode.podLabels" -}}
{{- mergeOverwrite (deepCopy .Values.podLabels) (include "supernode.selector" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* What restarts a pod, besides its own fields. */}}
{{- define "supernode.restarts" -}}
flowerbed/files: {{ include "supernode.filesData" . | sha256sum }}
{{- with .Values.tls.caCert }}
flowerbed/ca: {{ sha256sum . }}
{{- end }}
{{- with .Values.fingerprints }}
flowerbed/fingerprints: {{ toJson . | sha256sum }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ include "supernode.texts" . }}
{{- end }}
{{- end -}}

{{/*
The file with the secret that a SuperNode and its SuperExec share: made in the pod, a node's own. With an existing certificate
nothing is made, and it is the release's.
*/}}
{{- define "supernode.secretFile" -}}
{{- if and (include "supernode.apart" .) .Values.superexec.tls.existingSecret }}/superexec/secret{{ else }}/runtime/secret{{ end -}}
{{- end -}}

{{/* The secret that the release's pods share, from which each pair of SuperNode and SuperExec derives its own. */}}
{{- define "supernode.secretVolume" -}}
- name: superexec
  secret:
    secretName: {{ (include "supernode.names" . | fromYaml).superexecSecret }}
    defaultMode: 0440
    items:
      - {key: secret, path: secret}
{{- end -}}

{{/*
What SuperNode and SuperExec need for the Runtime API between them: made at the start of the pod, in memory, so that no key
touches a disk; or from an existing Secret. Takes (list $ entries): the entries of that Secret to show.
*/}}
{{- define "supernode.runtimeVolume" -}}
{{- $root := index . 0 -}}
- name: runtime
  {{- if and (include "supernode.apart" $root) $root.Values.superexec.tls.existingSecret }}
  secret:
    secretName: {{ $root.Values.superexec.tls.existingSecret | quote }}
    defaultMode: 0440
    items:
      {{- range index . 1 }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
  {{- else }}
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
  {{- end }}
{{- end -}}

{{/* Whom to trust as the SuperLink; nothing with systemTrust. */}}
{{- define "supernode.caVolume" -}}
{{- $tls := .Values.tls -}}
{{- if not $tls.systemTrust -}}
- name: ca
  {{- if $tls.existingSecret }}
  secret:
    secretName: {{ $tls.existingSecret | quote }}
    defaultMode: 0440
    items:
      - {key: {{ $tls.key | quote }}, path: ca.crt}
  {{- else }}
  configMap:
    name: {{ default (include "supernode.names" . | fromYaml).ca $tls.existingConfigMap | quote }}
    items:
      - {key: {{ ternary $tls.key "ca.crt" (ne $tls.existingConfigMap "") | quote }}, path: ca.crt}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A map of free texts. Quoted, because `toYaml` writes U+0085 and its like as they are, which YAML reads as line breaks. */}}
{{- define "supernode.texts" -}}
{{- $lines := list -}}
{{- range $key, $text := . -}}
{{- $lines = append $lines (printf "%s: %s" (quote $key) (quote $text)) -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}

{{/* The environment of what is added to Flower's processes (_start.tpl). */}}
{{- define "supernode.startEnv" -}}
FLOWERBED_RUN_FOLDERS: /tmp/runs
FLOWERBED_STARTS: /tmp/starts
PYTHONPATH: {{ printf "/start:%s" (default "" (get .Values.env "PYTHONPATH")) | trimSuffix ":" | quote }}
{{- end -}}
