{{/* What is allowed and yet worth a second look, one line each. */}}
{{- define "superlink.warnings" -}}
{{- if .Values.insecure }}
insecure: nothing is encrypted, and whoever reaches the control address can run code on every node. For tests only.
{{- end }}
{{- if and (eq .Values.admission.mode "open") (not .Values.insecure) }}
admission.mode: open lets every SuperNode join that reaches the fleet address.
{{- end }}
{{- if and (eq .Values.admission.mode "listed") (not .Values.admission.nodes) }}
admission.nodes: is empty, so no SuperNode can join yet.
{{- end }}
{{- if and (not .Values.users) (not .Values.insecure) }}
users: is empty, so nobody can submit yet.
{{- end }}
{{- $submitters := 0 }}
{{- range $role := .Values.users }}{{ if ne $role "viewer" }}{{ $submitters = add1 $submitters }}{{ end }}{{ end }}
{{- if and (gt (int $submitters) 1) (ne .Values.superexec.executor "kubernetes") (not .Values.insecure) }}
superexec.executor: {{ .Values.superexec.executor }} runs the ServerApps of {{ $submitters }} users under one account: each can read the code, settings and models of the others' runs, and act as them. kubernetes gives each task a Pod with its own token alone.
{{- end }}
{{- if eq .Values.superexec.executor "sidecar" }}
superexec.executor: sidecar puts ServerApps beside the open Control API: whoever may submit can do what an operator can.
{{- end }}
{{- if not .Values.persistence.enabled }}
persistence.enabled: false loses runs and node ids with the pod; SuperNodes then have to be restarted.
{{- else if not (or .Values.persistence.keep .Values.persistence.existingClaim) }}
persistence.keep: false deletes runs and node ids together with the release.
{{- end }}
{{- if not .Values.networkPolicy.enabled }}
networkPolicy.enabled: false leaves every port of the pods open to the cluster.
{{- end }}
{{- range $audience := list "fleet" "control" "runtime" }}
{{- $exposure := index $.Values.exposure $audience }}
{{- if and (ne $exposure.type "cluster") (not $exposure.host) }}
exposure.{{ $audience }}.host: is empty; the certificate must carry whatever name or address {{ $audience }} is dialled by.
{{- end }}
{{- end }}
{{- if ne .Values.exposure.runtime.type "cluster" }}
exposure.runtime.type: {{ .Values.exposure.runtime.type }} lets the outside try the SuperExec's secret.
{{- end }}
{{- end -}}
