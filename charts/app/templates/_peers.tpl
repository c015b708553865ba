{{/* DNS, as an egress rule: every pod that dials a name needs it. */}}
{{- define "app.toDns" -}}
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

{{/*
The SuperLink, as egress rules: its pods when it is in this cluster, its addresses when it is outside, both when both are
said.
*/}}
{{- define "app.toSuperLink" -}}
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
{{- else if not $cidrs }}
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

{{/* The server of the app's archive or repository, as an egress rule. */}}
{{- define "app.toSource" -}}
{{- $url := urlParse (default .Values.app.git.url .Values.app.archive.url) -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (get (dict "http" "80" "ssh" "22") $url.scheme | default "443") -}}
- to:
    {{- range default (list "0.0.0.0/0" "::/0") .Values.networkPolicy.sourceCidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports:
    - {port: {{ int $port }}, protocol: TCP}
{{- end -}}

{{/* The Kubernetes API, as an egress rule. */}}
{{- define "app.toApiServer" -}}
- to:
    {{- range .Values.networkPolicy.apiServerCidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
{{- end -}}
