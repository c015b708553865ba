{{/* Exposure, one audience at a time; then what two audiences cannot share. */}}
{{- define "superlink.check.exposure" -}}
{{- $taken := dict }}
{{- range $audience := list "fleet" "control" "runtime" }}
{{- $exposure := index $.Values.exposure $audience }}
{{- $path := printf "exposure.%s" $audience }}
{{- $routed := has $exposure.type (list "gatewayApi" "ingress") }}
{{- $byName := and $routed (or (eq $exposure.type "ingress") (eq $exposure.routeKind "TLSRoute")) }}
{{- if and (eq $exposure.type "nodePort") $exposure.port (or (lt (int $exposure.port) 30000) (gt (int $exposure.port) 32767)) }}
{{ $path }}.port: {{ int $exposure.port }} is not a node port; use one from 30000 to 32767, or 0 for any free one
{{- end }}
{{- if and $byName (not $exposure.host) }}
{{ $path }}.host: is empty, but type {{ $exposure.type }} finds the SuperLink by the name that is dialled; give the name
{{- else if and $byName (regexMatch "^[0-9.]+$|:" $exposure.host) }}
{{ $path }}.host: {{ $exposure.host }} is an address, but type {{ $exposure.type }} finds the SuperLink by name, and TLS sends no address; give a DNS name
{{- end }}
{{- if eq $exposure.type "gatewayApi" }}
{{- if and $exposure.className $exposure.parentRefs }}
{{ $path }}.className: and parentRefs are both given; className makes a Gateway, parentRefs names one that exists
{{- else if not (or $exposure.className $exposure.parentRefs) }}
{{ $path }}.parentRefs: is empty; name the Gateway, or give className to have one made
{{- end }}
{{- if eq $exposure.routeKind "TCPRoute" }}
{{- range $exposure.parentRefs }}
{{- if not (or .sectionName .port) }}
{{ $path }}.parentRefs: {{ .name }} needs sectionName or port, because a TCPRoute takes all that its listener gets
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $place := "" }}
{{- if $byName }}
{{- $place = printf "%s:%v" $exposure.host (default 443 $exposure.port | int) }}
{{- else if and (eq $exposure.type "nodePort") $exposure.port }}
{{- $place = printf "node port %v" (int $exposure.port) }}
{{- end }}
{{- if and $place (or (not $byName) $exposure.host) }}
{{- if hasKey $taken $place }}
{{ $path }}: shares {{ $place }} with {{ get $taken $place }}, and nothing distinguishes the two; give it a name or a port of its own
{{- end }}
{{- $_ := set $taken $place (printf "exposure.%s" $audience) }}
{{- end }}
{{- end }}
{{- end -}}
