{{/* The HTTP proxy, as an egress rule; nothing where there is none. */}}
{{- define "supernode.toProxy" -}}
{{- with .Values.proxy }}
{{- if .url }}
- to:
    {{- if .namespace }}
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .namespace | quote }}}
    {{- end }}
    {{- range .cidrs | default (ternary (list) (list "0.0.0.0/0" "::/0") (ne .namespace "")) }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports:
    - {port: {{ .url | trimSuffix "/" | splitList ":" | last | int }}, protocol: TCP}
{{- end }}
{{- end }}
{{- end -}}

{{/* This release's SuperNodes, as a peer from any namespace, and their Runtime API. */}}
{{- define "supernode.toSuperNodes" -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
      podSelector:
        matchLabels:
          {{- include "supernode.selector" . | nindent 10 }}
          app.kubernetes.io/component: supernode
  ports:
    - {port: {{ include "supernode.runtimePort" . }}, protocol: TCP}
{{- end -}}
