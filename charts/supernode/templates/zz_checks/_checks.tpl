{{/*
What is refused, one line each: the values path, what is wrong, what to do. Each helper prints the lines of one subject.
*/}}

{{/* Versions: the chart's flags and its observer are those of one line of Flower. */}}
{{- define "supernode.check.flower" -}}
{{- if ne .Values.flower "1.41" }}
flower: this chart is for Flower 1.41 (>=1.41 <1.42), not {{ .Values.flower }}; take a release of the chart for that line
{{- end }}
{{- include "supernode.check.tags" (dict "image.tag" .Values.image.tag "superexec.image.tag" .Values.superexec.image.tag "tasks.image.tag" .Values.tasks.image.tag) }}
{{- end -}}

{{/* Where the SuperLink is, and by what it is known: exactly one source of trust, or none at all. */}}
{{- define "supernode.check.superlink" -}}
{{- if not .Values.superlink.address }}
superlink.address: is empty; write the host:port of the SuperLink's fleet audience
{{- end }}
{{- $trust := list }}
{{- range $name := list "caCert" "existingSecret" "existingConfigMap" "systemTrust" }}
{{- if get $.Values.tls $name }}{{ $trust = append $trust (printf "tls.%s" $name) }}{{ end }}
{{- end }}
{{- if .Values.insecure }}
{{- range $trust }}
insecure: true cannot go with {{ . }}, because there is nothing to trust without TLS; leave it out, or set insecure to false
{{- end }}
{{- else if not $trust }}
tls: says nobody to trust; set one of tls.caCert, tls.existingSecret, tls.existingConfigMap and tls.systemTrust
{{- else if gt (len $trust) 1 }}
tls: {{ join " and " $trust }} exclude each other; keep one
{{- end }}
{{- if and .Values.tls.caCert (not (regexMatch "^\\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----\\s*)+$" .Values.tls.caCert)) }}
tls.caCert: is not a certificate in PEM form; it must begin with -----BEGIN CERTIFICATE----- and hold certificates alone
{{- end }}
{{- end -}}

{{/* The proxy: an address without secrets, and one home of the variable. */}}
{{- define "supernode.check.proxy" -}}
{{- $proxy := .Values.proxy }}
{{- if and $proxy.url (contains "@" $proxy.url) }}
proxy.url: holds a user's name or password, and values are not secret; keep the whole address as the entry `url` of the Secret named by proxy.existingSecret
{{- end }}
{{- if and $proxy.existingSecret (not $proxy.url) }}
proxy.url: is empty; give the address without user and password as well: its port opens the NetworkPolicy
{{- end }}
{{- if and $proxy.url (or .Values.env.HTTPS_PROXY .Values.env.https_proxy) }}
env.HTTPS_PROXY: proxy.url says the same; keep one of them
{{- end }}
{{- if and $proxy.url .Values.env.NO_PROXY }}
env.NO_PROXY: would replace the hosts of this release; write them to proxy.noProxy
{{- end }}
{{- range $proxy.noProxy }}
{{- if or (contains "/" .) (hasPrefix "*." .) }}
proxy.noProxy: {{ . }} means nothing to Flower's clients; write a domain (`.example.org`), a host or an address
{{- end }}
{{- end }}
{{- end -}}

{{/* Node configs: TOML, for nodes that there are, of values that Flower takes. */}}
{{- define "supernode.check.nodes" -}}
{{- $texts := dict "node.config" .Values.node.config }}
{{- range $ordinal, $text := .Values.node.configs }}
{{- $_ := set $texts (printf "node.configs.%s" $ordinal) $text }}
{{- if ge (int $ordinal) (int $.Values.replicas) }}
node.configs.{{ $ordinal }}: there is no such node; the last one of replicas {{ int $.Values.replicas }} is {{ sub (int $.Values.replicas) 1 }}
{{- end }}
{{- end }}
{{- range $path, $text := $texts }}
{{- $table := fromToml $text }}
{{- $error := get $table "Error" | toString }}
{{- if hasPrefix "toml: " $error }}
{{ $path }}: is not TOML: {{ trimPrefix "toml: " $error }}
{{- else }}
{{- include "supernode.check.table" (list $path $table) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Values that Flower's node config cannot hold. Takes (list path table). */}}
{{- define "supernode.check.table" -}}
{{- $path := index . 0 }}
{{- range $key, $value := index . 1 }}
{{- if kindIs "map" $value }}
{{- include "supernode.check.table" (list (printf "%s: %s" $path $key) $value) }}
{{- else if not (has (kindOf $value) (list "string" "bool" "int64" "float64")) }}
{{ $path }}: {{ $key }}: Flower takes strings, integers, floats and booleans; write a list or a date as a string
{{- end }}
{{- end }}
{{- end -}}

{{/* Arguments that the chart sets itself. */}}
{{- define "supernode.check.arguments" -}}
{{- $own := dict
  "extraArgs" (list "--superlink" "--insecure" "--root-certificates" "--auth-supernode-private-key" "--auth-supernode-public-key" "--node-config" "--isolation" "--superexec-auth-secret-file" "--host" "--port" "--ssl-certfile" "--ssl-keyfile" "--ssl-ca-certfile" "--state" "--reason-file" "--observer" "--clientappio-api-address" "--appio-ssl-certfile" "--appio-ssl-keyfile" "--appio-ssl-ca-certfile" "--allow-runtime-dependency-installation")
  "superexec.extraArgs" (list "--runtime-api-address" "--appio-api-address" "--insecure" "--root-certificates" "--superexec-auth-secret-file" "--executor" "--executor-config" "--parent-pid" "--allow-runtime-dependency-installation") }}
{{- range $path, $arguments := dict "extraArgs" .Values.extraArgs "superexec.extraArgs" .Values.superexec.extraArgs }}
{{- include "supernode.check.flags" (list $path $arguments (get $own $path)) }}
{{- end }}
{{- end -}}

{{/* Secrets and data: each goes somewhere, and directories of the machine only by two words. */}}
{{- define "supernode.check.data" -}}
{{- range $secret := .Values.secrets }}
{{- if not (or $secret.env $secret.mountPath) }}
secrets: {{ $secret.name }} goes nowhere; give it env: true, or a mountPath
{{- end }}
{{- end }}
{{- range $data := .Values.data }}
{{- if and $data.claim $data.hostPath }}
data: {{ $data.mountPath }} has a claim and a hostPath; keep one
{{- else if not (or $data.claim $data.hostPath) }}
data: {{ $data.mountPath }} has no volume; say which claim
{{- end }}
{{- if and $data.hostPath (not $.Values.allowHostPath) }}
data: {{ $data.mountPath }} is a directory of the machine, shared with everything on it; use a claim, or set allowHostPath to true as well
{{- end }}
{{- end }}
{{- end -}}

{{/* What the executors cannot do, and who the namespace's operators are. */}}
{{- define "supernode.check.executor" -}}
{{- $apps := include "supernode.apps" . }}
{{- if and .Values.volumeClaimTemplates (include "supernode.apart" .) }}
volumeClaimTemplates: superexec.executor {{ $apps }} runs ClientApps outside the StatefulSet's pods; use data
{{- end }}
{{- if eq $apps "kubernetes" }}
{{- if .Values.secrets }}
secrets: Flower's Kubernetes executor cannot give Secrets to task pods; use another superexec.executor
{{- end }}
{{- if eq (include "supernode.taskNamespace" .) .Release.Namespace }}
tasks.namespace: the SuperExec may read every Secret of {{ .Release.Namespace }}, and the node keys are in it; name another namespace
{{- end }}
{{- end }}
{{- if and .Values.namespaceKit.operatorRole.enabled (not .Values.namespaceKit.operatorRole.subjects) }}
namespaceKit.operatorRole.subjects: is empty, so the role would be nobody's; name at least one subject
{{- end }}
{{- end -}}
