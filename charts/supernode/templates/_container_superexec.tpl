{{/*
Starts ClientApps, which are code that users send: it mounts what they need and no node's key.
Takes (list $ node): the name of its SuperNode, empty in the SuperNode's own pod.
*/}}
{{- define "supernode.container.superexec" -}}
{{- $root := index . 0 -}}
{{- $node := index . 1 -}}
{{- with $root }}
{{- $apps := include "supernode.apps" . -}}
- name: superexec
  image: {{ (include "supernode.images" . | fromYaml).superexec | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [flower-superexec]
  args:
    {{- if eq $apps "sidecar" }}
    # Inside the pod.
    - --runtime-api-address=127.0.0.1:{{ include "supernode.runtimePort" . }}
    - --insecure
    - --superexec-auth-secret-file=/runtime/secret
    {{- else }}
    - --runtime-api-address={{ $node }}.{{ include "supernode.runtimeDomain" . }}:{{ include "supernode.runtimePort" . }}
    - --root-certificates=/runtime/ca.crt
    - --superexec-auth-secret-file={{ include "supernode.secretFile" . }}
    {{- end }}
    {{- if eq $apps "kubernetes" }}
    - --executor=kubernetes
    - --executor-config=/executor/executor.yaml
    {{- end }}
    {{- range .Values.superexec.extraArgs }}
    - {{ . | replace "$" "$$" | quote }}
    {{- end }}
  workingDir: /tmp
  env:
    {{- if not $node }}
    - name: FLOWERBED_NODE
      valueFrom:
        fieldRef: {fieldPath: metadata.name}
    {{- end }}
    {{- if eq $apps "kubernetes" }}
    {{- include "supernode.executorEnv" . | trim | nindent 4 }}
    {{- else }}
    {{- include "supernode.envWithSecrets" (list . "start") | trim | nindent 4 }}
    {{- end }}
  {{- if ne $apps "kubernetes" }}
  {{- with include "supernode.envFrom" .Values.secrets | trim }}
  envFrom:
    {{- . | nindent 4 }}
  {{- end }}
  {{- end }}
  # Ready: its SuperNode answers. No liveness probe: a restart would end the ClientApps that run inside.
  readinessProbe:
    {{- include "supernode.superexecCheck" (list . $node) | nindent 4 }}
    periodSeconds: 15
    failureThreshold: 2
  # Until it answers for the first time it is asked more often, and never started anew for that.
  startupProbe:
    {{- include "supernode.superexecCheck" (list . $node) | nindent 4 }}
    periodSeconds: 2
    failureThreshold: 1000000
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.superexec.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: files, mountPath: /files, readOnly: true}
    - {name: runtime, mountPath: /runtime, readOnly: true}
    {{- if eq $apps "sidecar" }}
    - {name: apps, mountPath: /tmp}
    {{- else }}
    {{- if eq (include "supernode.secretFile" .) "/superexec/secret" }}
    - {name: superexec, mountPath: /superexec, readOnly: true}
    {{- end }}
    - {name: scratch, mountPath: /tmp}
    {{- end }}
    {{- if eq $apps "kubernetes" }}
    - {name: executor, mountPath: /executor, readOnly: true}
    - {name: client, mountPath: /client, readOnly: true}
    - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
    {{- else }}
    {{- with include "supernode.appMounts" (list . $node) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* Takes (list $ node), as above. */}}
{{- define "supernode.superexecCheck" -}}
{{- $node := index . 1 -}}
{{- with index . 0 -}}
exec:
  command:
    - {{ .Values.python | quote }}
    - -I
    - -S
    - /files/dial.py
    {{- if eq (include "supernode.apps" .) "sidecar" }}
    - 127.0.0.1:{{ include "supernode.runtimePort" . }}
    {{- else }}
    - {{ $node }}.{{ include "supernode.runtimeDomain" . }}:{{ include "supernode.runtimePort" . }}
    - /runtime/ca.crt
    {{- end }}
timeoutSeconds: 10
{{- end -}}
{{- end -}}
