{{/* This release's SuperLink, as a peer. */}}
{{- define "superlink.toSuperLink" -}}
namespaceSelector:
  matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
podSelector:
  matchLabels:
    {{- include "superlink.selector" . | nindent 4 }}
    app.kubernetes.io/component: superlink
{{- end -}}

{{/*
The clients from outside the cluster, by audience, as peers. A load balancer or node port hands on clients or the addresses
of nodes; a router (Gateway or Ingress controller) is a pod of its own.
*/}}
{{- define "superlink.outsidePeers" -}}
{{- range $audience := list "fleet" "control" "runtime" }}
{{- $exposure := index $.Values.exposure $audience }}
{{ $audience }}:
{{- if has $exposure.type (list "loadBalancer" "nodePort") }}
{{- range default (list "0.0.0.0/0" "::/0") $exposure.sourceRanges }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- else if ne $exposure.type "cluster" }}
{{- if $.Values.networkPolicy.routerNamespace }}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ $.Values.networkPolicy.routerNamespace | quote }}}
{{- else }}
- namespaceSelector: {}
{{- range default (list "0.0.0.0/0" "::/0") $exposure.sourceRanges }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}
{{- else }} []
{{- end }}
{{- end }}
{{- end -}}
