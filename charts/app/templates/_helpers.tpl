{{/* Every image's reference by what it does: digest wins over tag, and the chart's appVersion is the last word on tags. */}}
{{- define "app.images" -}}
{{- $image := .Values.image -}}
{{- $app := .Values.app.image -}}
{{- $git := .Values.app.git.image -}}
{{- $tag := default .Chart.AppVersion $image.tag -}}
{{- $digest := ternary $app.digest (default $image.digest $app.digest) (not (empty (or $app.registry $app.repository $app.tag))) -}}
submit: {{ include "app.imageReference" (list $image.registry $image.repository $tag $image.digest) | quote }}
app: {{ include "app.imageReference" (list (default $image.registry $app.registry) (default $image.repository $app.repository) (default $tag $app.tag) $digest) | quote }}
git: {{ include "app.imageReference" (list (default $image.registry $git.registry) $git.repository $git.tag $git.digest) | quote }}
{{- end -}}

{{/* Environment of every container. Entries of `env` take precedence. */}}
{{- define "app.env" -}}
{{- include "app.envList" (mergeOverwrite (include "app.processEnv" . | fromYaml) .Values.env) -}}
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
{{- include "app.scheduling" .Values }}
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
- name: files
  configMap:
    name: {{ $names.files }}
- name: run
  configMap:
    name: {{ $names.run }}
{{- if not .Values.insecure }}
{{- with include "app.caVolume" . | trim }}
{{ . }}
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
