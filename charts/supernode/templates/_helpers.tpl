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
supernode: {{ include "supernode.imageReference" (list $image.registry $image.repository $tag $image.digest) | quote }}
superexec: {{ include "supernode.imageReference" (list $superexecRegistry $superexec.repository $superexecTag $superexec.digest) | quote }}
task: {{ include "supernode.imageReference" (list (default $superexecRegistry $task.registry) (default $superexec.repository $task.repository) (default $superexecTag $task.tag) $taskDigest) | quote }}
{{- end -}}

{{/* Environment of every Flower process. Entries of `env` take precedence. */}}
{{- define "supernode.flowerEnv" -}}
{{ include "supernode.processEnv" . }}
FLWR_LOG_LEVEL: {{ .Values.logLevel }}
NO_PROXY: {{ concat (list "127.0.0.1" "localhost" ".svc" (printf ".%s" .Values.clusterDomain)) .Values.proxy.noProxy | join "," | quote }}
{{- if and .Values.proxy.url (not .Values.proxy.existingSecret) }}
HTTPS_PROXY: {{ .Values.proxy.url | quote }}
{{- end }}
{{- end -}}

{{/* The same, as Kubernetes lists it. Takes (list $ what): "start" with what is added to Flower's processes, or "". */}}
{{- define "supernode.env" -}}
{{- $what := index . 1 -}}
{{- with index . 0 -}}
{{- $start := ternary (include "supernode.startEnv" . | fromYaml) dict (eq $what "start") -}}
{{- include "supernode.envList" (mergeOverwrite (include "supernode.flowerEnv" . | fromYaml) .Values.env $start) -}}
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
{{- include "supernode.scheduling" .Values }}
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

{{/* The environment of what is added to Flower's processes (_start.tpl). */}}
{{- define "supernode.startEnv" -}}
FLOWERBED_RUN_FOLDERS: /tmp/runs
FLOWERBED_STARTS: /tmp/starts
PYTHONPATH: {{ printf "/start:%s" (default "" (get .Values.env "PYTHONPATH")) | trimSuffix ":" | quote }}
{{- end -}}
