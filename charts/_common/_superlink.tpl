{{/* Whom to trust as the SuperLink; nothing with systemTrust. */}}
{{- define "CHART.caVolume" -}}
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
    name: {{ default (include "CHART.names" . | fromYaml).ca $tls.existingConfigMap | quote }}
    items:
      - {key: {{ ternary $tls.key "ca.crt" (ne $tls.existingConfigMap "") | quote }}, path: ca.crt}
  {{- end }}
{{- end }}
{{- end -}}

{{/*
The SuperLink, as egress rules: its pods when it is in this cluster, its addresses when it is outside, both when both are
said. Behind a proxy, where a chart has one, no address outside is dialled but those that are said.
*/}}
{{- define "CHART.toSuperLink" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $cidrs := $policy.superlinkCidrs -}}
{{- if .Values.superlink.namespace }}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .Values.superlink.namespace | quote }}}
      podSelector:
        matchLabels:
          {{- toYaml $policy.superlinkPodLabels | nindent 10 }}
  ports:
    - {port: {{ int $policy.superlinkPort }}, protocol: TCP}
{{- else if not (or $cidrs (.Values.proxy).url) }}
{{- $cidrs = list "0.0.0.0/0" "::/0" }}
{{- end }}
{{- with $cidrs }}
- to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports:
    - {port: {{ $.Values.superlink.address | splitList ":" | last | int }}, protocol: TCP}
{{- end }}
{{- end -}}
