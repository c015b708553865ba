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
