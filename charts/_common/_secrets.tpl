{{/* Environment of secrets: every entry of these Secrets becomes a variable. */}}
{{- define "CHART.envFrom" -}}
{{- range . }}
{{- if .env }}
- secretRef:
    name: {{ .name | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Volumes of secrets that are mounted; a Secret's name may be too long for a volume's. */}}
{{- define "CHART.secretVolumes" -}}
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
{{- define "CHART.secretMounts" -}}
{{- range . }}
{{- if .mountPath }}
- name: secret-{{ .name | sha256sum | trunc 10 }}
  mountPath: {{ .mountPath | quote }}
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}
