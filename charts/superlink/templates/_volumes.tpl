{{/* Volumes of the SuperLink's pod. */}}
{{- define "superlink.superlinkVolumes" -}}
{{- $names := include "superlink.names" . | fromYaml -}}
- name: state
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ $names.state | quote }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.persistence.size | quote }}
  {{- end }}
- name: files
  configMap:
    name: {{ $names.files }}
- name: superexec
  secret:
    secretName: {{ $names.superexecSecret | quote }}
    defaultMode: 0440
    items:
      - {key: secret, path: secret}
- name: scratch
  emptyDir:
    sizeLimit: 1Gi
{{- if not .Values.insecure }}
# In memory: the key of the loopback certificate touches no disk.
- name: loopback
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
# In memory as well: the last good certificate, its key, and the lists, which the gateway runs on.
- name: kept
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
- name: tls
  secret:
    secretName: {{ $names.tls | quote }}
    defaultMode: 0440
    items:
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
- name: clients
  secret:
    secretName: {{ $names.clientCA | quote }}
    defaultMode: 0440
    items:
      - {key: ca.crt, path: ca.crt}
- name: admission
  configMap:
    name: {{ $names.admission }}
{{- end }}
{{- $secrets := .Values.secrets }}
{{- $volumes := .Values.extraVolumes }}
{{- if eq .Values.superexec.executor "sidecar" }}
- name: serverapps
  emptyDir:
    sizeLimit: {{ .Values.superexec.scratchSizeLimit | quote }}
- {{- include "superlink.startVolume" (list . $names.files) | nindent 2 }}
{{- $secrets = concat $secrets .Values.superexec.secrets }}
{{- $volumes = concat $volumes .Values.superexec.extraVolumes }}
{{- end }}
{{- include "superlink.secretVolumes" $secrets }}
{{- with $volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Volumes of the SuperExec's own pod. */}}
{{- define "superlink.superexecVolumes" -}}
{{- $names := include "superlink.names" . | fromYaml -}}
- name: files
  configMap:
    name: {{ $names.files }}
- name: superexec
  secret:
    secretName: {{ $names.superexecSecret | quote }}
    defaultMode: 0440
    items:
      - {key: secret, path: secret}
- name: scratch
  emptyDir:
    sizeLimit: {{ .Values.superexec.scratchSizeLimit | quote }}
{{- if not .Values.insecure }}
# The authority alone; the gateway's key stays with the gateway.
- name: tls
  secret:
    secretName: {{ $names.tls | quote }}
    defaultMode: 0440
    items:
      - {key: ca.crt, path: ca.crt}
{{- end }}
{{- if eq .Values.superexec.executor "kubernetes" }}
- name: executor
  configMap:
    name: {{ $names.executor }}
# Flower's images lack the package by which its executor calls the Kubernetes API.
- name: client
  configMap:
    name: {{ $names.files }}
    items:
      {{- $key := include "superlink.fileKey" "files/flowerbed/flower/programs/kubernetes_client.py" }}
      - {key: {{ $key }}, path: kubernetes/client.py}
      - {key: {{ $key }}, path: kubernetes/config.py}
# The account's token, here and nowhere else: Kubernetes renews it, the SuperExec's client reads it again.
- name: token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap:
          name: kube-root-ca.crt
          items:
            - {key: ca.crt, path: ca.crt}
      - downwardAPI:
          items:
            - path: namespace
              fieldRef: {fieldPath: metadata.namespace}
{{- else }}
- {{- include "superlink.startVolume" (list . $names.files) | nindent 2 }}
{{- include "superlink.secretVolumes" .Values.superexec.secrets }}
{{- with .Values.superexec.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}
