{{/*
Starts ServerApps, which are code that users send. With `deployment` and `sidecar` they run in this container, under its
account: each can read the SuperExec's secret and the files, tokens and environment of every other ServerApp here. With
`kubernetes` they run in Pods of their own, and nothing of this container is in them. No private key is mounted.
*/}}
{{- define "superlink.container.superexec" -}}
{{- $sidecar := eq .Values.superexec.executor "sidecar" -}}
{{- $kubernetes := eq .Values.superexec.executor "kubernetes" -}}
- name: superexec
  image: {{ (include "superlink.images" . | fromYaml).superexec | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [flower-superexec]
  args:
    - --runtime-api-address={{ include "superlink.runtimeAddress" . }}
    {{- if .Values.insecure }}
    - --insecure
    {{- else }}
    - --root-certificates={{ ternary "/loopback/ca.crt" "/tls/ca.crt" $sidecar }}
    {{- end }}
    - --superexec-auth-secret-file=/superexec/secret
    {{- if $kubernetes }}
    - --executor=kubernetes
    - --executor-config=/executor/executor.yaml
    {{- end }}
    {{- range .Values.superexec.extraArgs }}
    - {{ . | replace "$" "$$" | quote }}
    {{- end }}
  workingDir: /tmp
  env:
    {{- if $kubernetes }}
    {{- include "superlink.executorEnv" . | trim | nindent 4 }}
    {{- else }}
    {{- include "superlink.serverAppEnv" . | trim | nindent 4 }}
    {{- end }}
  {{- if not $kubernetes }}
  {{- with include "superlink.envFrom" .Values.superexec.secrets | trim }}
  envFrom:
    {{- . | nindent 4 }}
  {{- end }}
  {{- end }}
  # Ready: the Runtime API answers here, under its right name. No liveness probe: a restart would end the ServerApps.
  readinessProbe:
    {{- include "superlink.superexecCheck" . | nindent 4 }}
    periodSeconds: 15
    failureThreshold: 2
  # Until it answers for the first time it is asked more often, and never started anew for that.
  startupProbe:
    {{- include "superlink.superexecCheck" . | nindent 4 }}
    periodSeconds: 2
    failureThreshold: 1000000
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.superexec.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: files, mountPath: /files, readOnly: true}
    {{- if $sidecar }}
    {{- if not .Values.insecure }}
    - {name: loopback, mountPath: /loopback/ca.crt, subPath: ca.crt, readOnly: true}
    {{- end }}
    - {name: serverapps, mountPath: /tmp}
    {{- else }}
    {{- if not .Values.insecure }}
    - {name: tls, mountPath: /tls, readOnly: true}
    {{- end }}
    - {name: scratch, mountPath: /tmp}
    {{- end }}
    - {name: superexec, mountPath: /superexec, readOnly: true}
    {{- if $kubernetes }}
    - {name: executor, mountPath: /executor, readOnly: true}
    - {name: client, mountPath: /client, readOnly: true}
    - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
    {{- else }}
    - {{ include "superlink.startMount" . }}
    {{- with include "superlink.secretMounts" .Values.superexec.secrets | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.superexec.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
{{- end -}}

{{- define "superlink.superexecCheck" -}}
exec:
  command:
    - {{ .Values.python | quote }}
    - /files/check.py
    - runtime={{ include "superlink.runtimeAddress" . }}
    {{- if not .Values.insecure }}
    - ca={{ ternary "/loopback/ca.crt" "/tls/ca.crt" (eq .Values.superexec.executor "sidecar") }}
    {{- end }}
timeoutSeconds: 10
{{- end -}}
