{{/* What is allowed and yet worth a second look, one line each. */}}
{{- define "supernode.warnings" -}}
{{- $apps := include "supernode.apps" . }}
{{- $known := and .Values.keys.enabled (not .Values.insecure) }}
{{- if .Values.insecure }}
insecure: nothing is encrypted, and anybody on the way can pose as the SuperLink. For tests only.
{{- else if not .Values.keys.enabled }}
keys.enabled: false makes each start of a node a new node to the SuperLink, which must admit everybody.
{{- end }}
{{- if and $known (eq $apps "supernode") }}
isolationMode: subprocess lets ClientApps, which are code that users send, read their node's key; process does not.
{{- end }}
{{- range .Values.data }}
{{- if .hostPath }}
data: {{ .mountPath }} is a directory of the machine; Pod Security restricted and baseline refuse these pods.
{{- end }}
{{- end }}
{{- if not .Values.networkPolicy.enabled }}
networkPolicy.enabled: false lets ClientApps reach whatever this namespace reaches.
{{- else if and .Values.proxy.url (not (or .Values.proxy.namespace .Values.proxy.cidrs)) }}
proxy.cidrs: is empty, so the nodes may dial any address on the proxy's port.
{{- else if not (or .Values.superlink.namespace .Values.networkPolicy.superlinkCidrs .Values.proxy.url) }}
networkPolicy.superlinkCidrs: is empty, so the nodes may dial any address on the SuperLink's port.
{{- else }}
{{- range .Values.networkPolicy.superlinkCidrs }}
{{- if hasSuffix "/0" . }}
networkPolicy.superlinkCidrs: {{ . }} lets the nodes, and ClientApps in them, dial any address on the SuperLink's port; write the SuperLink's own.
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.proxy.existingSecret (eq $apps "kubernetes") }}
proxy.existingSecret: Flower's task pods take no Secret into their environment, so ClientApps get no proxy; SuperNodes do.
{{- end }}
{{- if eq $apps "kubernetes" }}
tasks.namespace: {{ include "supernode.taskNamespace" . }} must exist, and whoever installs needs rights in it.
{{- end }}
{{- end -}}
