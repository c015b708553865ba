{{/*
Environment that every process needs: no telemetry, no update check, everything that is written below /tmp, because the root
file system is read-only and its user may have no home.
*/}}
{{- define "CHART.processEnv" -}}
FLWR_TELEMETRY_ENABLED: "0"
FLWR_DISABLE_UPDATE_CHECK: "1"
FLWR_HOME: /tmp/flwr
HOME: /tmp
TMPDIR: /tmp
PYTHONDONTWRITEBYTECODE: "1"
PYTHONUNBUFFERED: "1"
{{- end -}}

{{/* A map as Kubernetes lists environment. `$` is doubled: Kubernetes would expand $(NAME). */}}
{{- define "CHART.envList" -}}
{{- range $name, $value := . }}
- name: {{ $name | quote }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- end -}}
