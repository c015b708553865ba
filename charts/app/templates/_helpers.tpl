{{/* Labels by which the chart finds its own pods. Objects add app.kubernetes.io/component. */}}
{{- define "app.selector" -}}
app.kubernetes.io/name: app
app.kubernetes.io/instance: {{ include "app.fullname" . }}
{{- end -}}

{{/* Labels of every object. Never on a pod template: the chart's version there would make a new run at each upgrade. */}}
{{- define "app.labels" -}}
{{ include "app.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Values.flower | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Common annotations, for objects that have none of their own: with their indentation, and nothing at all if there are none. */}}
{{- define "app.annotations" -}}
{{- with .Values.commonAnnotations }}
  annotations:
    {{- include "app.texts" . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Every image's reference by what it does: digest wins over tag, and the chart's appVersion is the last word on tags. */}}
{{- define "app.images" -}}
{{- $image := .Values.image -}}
{{- $app := .Values.app.image -}}
{{- $git := .Values.app.git.image -}}
{{- $tag := default .Chart.AppVersion $image.tag -}}
{{- $digest := ternary $app.digest (default $image.digest $app.digest) (not (empty (or $app.registry $app.repository $app.tag))) -}}
submit: {{ printf "%s/%s%s" $image.registry $image.repository (ternary (printf "@%s" $image.digest) (printf ":%s" $tag) (ne $image.digest "")) | quote }}
app: {{ printf "%s/%s%s" (default $image.registry $app.registry) (default $image.repository $app.repository) (ternary (printf "@%s" $digest) (printf ":%s" (default $tag $app.tag)) (ne $digest "")) | quote }}
git: {{ printf "%s/%s%s" (default $image.registry $git.registry) $git.repository (ternary (printf "@%s" $git.digest) (printf ":%s" $git.tag) (ne $git.digest "")) | quote }}
{{- end -}}

{{/*
Environment of every container: no telemetry, no update check, everything that is written below /tmp, because the root file
system is read-only and its user may have no home. What stands in `env` wins. `$` is doubled: Kubernetes would expand $(NAME).
*/}}
{{- define "app.env" -}}
{{- $own := dict "FLWR_TELEMETRY_ENABLED" "0" "FLWR_DISABLE_UPDATE_CHECK" "1" "FLWR_HOME" "/tmp/flwr" "HOME" "/tmp" "TMPDIR" "/tmp" "PYTHONDONTWRITEBYTECODE" "1" "PYTHONUNBUFFERED" "1" -}}
{{- range $name, $value := mergeOverwrite $own .Values.env }}
- name: {{ $name | quote }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- end -}}

{{/* The beginning of every pod's spec. */}}
{{- define "app.pod" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
serviceAccountName: {{ (include "app.names" . | fromYaml).account | quote }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
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
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* connection.toml, as submit.py reads it. */}}
{{- define "app.connection" -}}
{{- $superlink := dict "address" .Values.superlink.address -}}
{{- with .Values.superlink.federation -}}{{- $_ := set $superlink "federation" . -}}{{- end -}}
{{- if .Values.insecure -}}
{{- $_ := set $superlink "insecure" true -}}
{{- else -}}
{{- if not .Values.tls.systemTrust -}}{{- $_ := set $superlink "root-certificates" "/ca/ca.crt" -}}{{- end -}}
{{- $_ := set $superlink "client-certificate" "/user/tls.crt" -}}
{{- $_ := set $superlink "client-key" "/user/tls.key" -}}
{{- end -}}
{{- dict "superlink" $superlink | toToml -}}
{{- end -}}

{{/* Volumes of whoever calls the SuperLink: the programs, the connection, whom to trust, who calls. */}}
{{- define "app.callVolumes" -}}
{{- $names := include "app.names" . | fromYaml -}}
{{- $tls := .Values.tls -}}
- name: files
  configMap:
    name: {{ $names.files }}
- name: run
  configMap:
    name: {{ $names.run }}
{{- if not .Values.insecure }}
{{- if $tls.existingSecret }}
- name: ca
  secret:
    secretName: {{ $tls.existingSecret | quote }}
    defaultMode: 0440
    items:
      - {key: {{ $tls.key | quote }}, path: ca.crt}
{{- else if not $tls.systemTrust }}
- name: ca
  configMap:
    name: {{ default $names.ca $tls.existingConfigMap | quote }}
    items:
      - {key: {{ ternary $tls.key "ca.crt" (ne $tls.existingConfigMap "") | quote }}, path: ca.crt}
{{- end }}
- name: user
  secret:
    secretName: {{ .Values.user.existingSecret | quote }}
    defaultMode: 0440
    items:
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
{{- end }}
{{- end -}}

{{/* Where they appear. */}}
{{- define "app.callMounts" -}}
- {name: files, mountPath: /files, readOnly: true}
- {name: run, mountPath: /run/flowerbed, readOnly: true}
{{- if not .Values.insecure }}
{{- if not .Values.tls.systemTrust }}
- {name: ca, mountPath: /ca, readOnly: true}
{{- end }}
- {name: user, mountPath: /user, readOnly: true}
{{- end }}
{{- end -}}

{{/* A map of free texts. Quoted, because `toYaml` writes U+0085 and its like as they are, which YAML reads as line breaks. */}}
{{- define "app.texts" -}}
{{- $lines := list -}}
{{- range $key, $text := . -}}
{{- $lines = append $lines (printf "%s: %s" (quote $key) (quote $text)) -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}
