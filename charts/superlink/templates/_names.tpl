{{/*
Names and ports: the chart's one home of them. generator/flowerbed/names.py says the same, and a test compares the two.
Helpers that give several things return YAML: read them with `fromYaml`.
*/}}

{{/* Base of every name. At most 52 characters, so that the longest suffix (-superexec, -admission) fits in 63. */}}
{{- define "superlink.fullname" -}}
{{- $name := default .Release.Name .Values.fullnameOverride -}}
{{- if gt (len $name) 52 -}}
{{- printf "%s-%s" ($name | trunc 43 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* The federation's name: hospitals-superlink is the SuperLink of hospitals. */}}
{{- define "superlink.federation" -}}
{{- default (trimSuffix "-superlink" (include "superlink.fullname" .)) .Values.federation -}}
{{- end -}}

{{/* Ports of the gateway by audience, the kubelet's, Prometheus's, and the SuperLink's own on loopback. */}}
{{- define "superlink.ports" -}}
fleet: 9092
control: 9093
runtime: 9091
readiness: 8080
metrics: 8404
superlink: 8000
{{- end -}}

{{/* Every object's name, by what it is. */}}
{{- define "superlink.names" -}}
{{- $base := include "superlink.fullname" . -}}
fleet: {{ $base }}-fleet
control: {{ $base }}-control
runtime: {{ $base }}-runtime
tls: {{ default (printf "%s-tls" $base) .Values.tls.existingSecret }}
clientCA: {{ default (default (printf "%s-tls" $base) .Values.tls.existingSecret) .Values.tls.clientCA }}
superexecSecret: {{ default (printf "%s-superexec" $base) .Values.superexec.existingSecret }}
superexec: {{ $base }}-superexec
files: {{ $base }}-files
admission: {{ $base }}-admission
state: {{ default (printf "%s-state" $base) .Values.persistence.existingClaim }}
executor: {{ $base }}-executor
start: {{ $base }}-start
tasks: {{ $base }}-tasks
test: {{ $base }}-test
restore: {{ $base }}-restore
operators: {{ $base }}-operators
{{- end -}}

{{/* Names of the two ServiceAccounts. */}}
{{- define "superlink.accounts" -}}
{{- $account := .Values.serviceAccount -}}
{{- $name := default (ternary (include "superlink.fullname" .) "default" $account.create) $account.name -}}
superlink: {{ $name }}
superexec: {{ ternary (printf "%s-superexec" $name) $name $account.create }}
{{- end -}}

{{/*
Per audience: what its parties dial. `listen` is the gateway's port, `service` the Service's, `host` and `port` those in
a party's settings (port 0: Kubernetes has yet to pick it).
*/}}
{{- define "superlink.endpoints" -}}
{{- $names := include "superlink.names" . | fromYaml -}}
{{- $ports := include "superlink.ports" . | fromYaml -}}
{{- range $audience := list "fleet" "control" "runtime" }}
{{- $exposure := index $.Values.exposure $audience }}
{{- $listen := index $ports $audience }}
{{- $direct := has $exposure.type (list "cluster" "loadBalancer") }}
{{- $default := ternary $listen (ternary 0 443 (eq $exposure.type "nodePort")) $direct }}
{{ $audience }}:
  listen: {{ $listen }}
  service: {{ ternary (default $listen $exposure.port) $listen $direct }}
  host: {{ default (printf "%s.%s.svc.%s" (index $names $audience) $.Release.Namespace $.Values.clusterDomain) $exposure.host | quote }}
  port: {{ default $default $exposure.port }}
{{- end }}
{{- end -}}

{{/* Names that the gateway's certificate must carry: each Service in four forms, then the hosts. */}}
{{- define "superlink.dnsNames" -}}
{{- $names := include "superlink.names" . | fromYaml -}}
{{- $all := list -}}
{{- range $audience := list "fleet" "control" "runtime" -}}
{{- $service := index $names $audience -}}
{{- $inNamespace := printf "%s.%s" $service $.Release.Namespace -}}
{{- $all = concat $all (list $service $inNamespace (printf "%s.svc" $inNamespace) (printf "%s.svc.%s" $inNamespace $.Values.clusterDomain)) -}}
{{- end -}}
{{- range $audience := list "fleet" "control" "runtime" -}}
{{- $host := (index $.Values.exposure $audience).host -}}
{{- if and $host (not (regexMatch "^[0-9.]+$|:" $host)) -}}{{- $all = append $all $host -}}{{- end -}}
{{- end -}}
{{- concat $all .Values.tls.certManager.dnsNames | uniq | toYaml -}}
{{- end -}}

{{/* Address of the Runtime API for SuperExec and task pods: the Service, whatever the exposure, or loopback in a sidecar. */}}
{{- define "superlink.runtimeAddress" -}}
{{- $names := include "superlink.names" . | fromYaml -}}
{{- $endpoints := include "superlink.endpoints" . | fromYaml -}}
{{- if eq .Values.superexec.executor "sidecar" -}}
127.0.0.1:{{ (include "superlink.ports" . | fromYaml).superlink }}
{{- else -}}
{{ $names.runtime }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:{{ $endpoints.runtime.service }}
{{- end -}}
{{- end -}}
