{{/* DNS, as an egress rule: every pod that dials a name needs it. */}}
{{- define "supernode.toDns" -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .Values.networkPolicy.dnsNamespace | quote }}}
      {{- with .Values.networkPolicy.dnsPodLabels }}
      podSelector:
        matchLabels:
          {{- toYaml . | nindent 10 }}
      {{- end }}
  ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - {port: {{ int . }}, protocol: UDP}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
{{- end -}}

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

{{/*
The SuperLink, as egress rules: its pods when it is in this cluster, its addresses when it is outside, both when both are
said. Behind a proxy no address outside is dialled but those that are said.
*/}}
{{- define "supernode.toSuperLink" -}}
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
{{- else if not (or $cidrs .Values.proxy.url) }}
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

{{/* The Kubernetes API, as an egress rule. */}}
{{- define "supernode.toApiServer" -}}
- to:
    {{- range .Values.networkPolicy.apiServerCidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ int . }}, protocol: TCP}
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

{{/* This release's task pods: Flower's executor gives them the first label, its configuration the second. */}}
{{- define "supernode.taskSelector" -}}
app.kubernetes.io/component: taskexecutor
app.kubernetes.io/instance: {{ include "supernode.fullname" . }}
{{- end -}}
