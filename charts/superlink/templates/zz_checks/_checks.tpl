{{/*
What is refused, one line each: the values path, what is wrong, what to do. Each helper prints the lines of one subject.
*/}}

{{/* Versions: the chart's flags, probes and registrar are those of one line of Flower. */}}
{{- define "superlink.check.flower" -}}
{{- if ne .Values.flower "1.41" }}
flower: this chart is for Flower 1.41 (>=1.41 <1.42), not {{ .Values.flower }}; take a release of the chart for that line
{{- end }}
{{- include "superlink.check.tags" (dict "image.tag" .Values.image.tag "superexec.image.tag" .Values.superexec.image.tag "tasks.image.tag" .Values.tasks.image.tag) }}
{{- end -}}

{{/* Insecure mode stays inside the cluster and promises nothing that it cannot keep. */}}
{{- define "superlink.check.insecure" -}}
{{- if .Values.insecure }}
{{- range $audience, $exposure := .Values.exposure }}
{{- if ne $exposure.type "cluster" }}
insecure: true cannot go with exposure.{{ $audience }}.type {{ $exposure.type }}: anybody outside could run code on every node; set the type to cluster, or insecure to false
{{- end }}
{{- end }}
{{- if eq .Values.admission.mode "listed" }}
insecure: true cannot go with admission.mode listed, because node keys need TLS; set admission.mode to open, or insecure to false
{{- end }}
{{- if .Values.users }}
insecure: true cannot go with users, because roles need client certificates; leave users out, or set insecure to false
{{- end }}
{{- end }}
{{- end -}}

{{/* Admission: public keys, each of one node. */}}
{{- define "superlink.check.admission" -}}
{{- $owner := dict }}
{{- range $name, $node := .Values.admission.nodes }}
{{- $key := regexReplaceAll "\\s" $node.publicKey "" }}
{{- if contains "PRIVATEKEY" $key }}
admission.nodes.{{ $name }}.publicKey: holds a private key, which belongs to its node alone; put the public key here, and give that node a new pair
{{- else if not (regexMatch "^-----BEGINPUBLICKEY-----[A-Za-z0-9+/=]+-----ENDPUBLICKEY-----$" $key) }}
admission.nodes.{{ $name }}.publicKey: is not a public key in PEM form; it must begin with -----BEGIN PUBLIC KEY-----
{{- else if hasKey $owner $key }}
admission.nodes.{{ $name }}.publicKey: is the key of {{ get $owner $key }} too; every node needs a key of its own
{{- end }}
{{- $_ := set $owner $key $name }}
{{- end }}
{{- end -}}

{{/* TLS from cert-manager. */}}
{{- define "superlink.check.tls" -}}
{{- if and (not .Values.insecure) (eq .Values.tls.source "certManager") }}
{{- if not .Values.tls.certManager.issuerRef.name }}
tls.certManager.issuerRef.name: is empty; name the cert-manager issuer
{{- end }}
{{- if not .Values.tls.clientCA }}
tls.clientCA: is empty, which with tls.source certManager would take everybody with a certificate of that issuer for a user; name a Secret with the CA of the users' certificates
{{- end }}
{{- end }}
{{- end -}}

{{/* SuperExec and its task pods. */}}
{{- define "superlink.check.superexec" -}}
{{- if eq .Values.superexec.executor "kubernetes" }}
{{- if eq (include "superlink.taskNamespace" .) .Release.Namespace }}
tasks.namespace: is the release's own ({{ .Release.Namespace }}), where the SuperExec could then read every Secret; name another namespace
{{- end }}
{{- if .Values.superexec.secrets }}
superexec.secrets: cannot reach task pods, because Flower's Kubernetes executor refuses Secrets; take superexec.executor deployment, or mount what ServerApps need with superexec.extraVolumes (a claim or a ConfigMap)
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
serviceAccount.name: is empty, so every pod of the namespace would get the SuperExec's rights; name an account, or set serviceAccount.create to true
{{- end }}
{{- end }}
{{- end -}}

{{/* Arguments and environment that would undo what the chart sets. */}}
{{- define "superlink.check.extra" -}}
{{- $own := dict "extraArgs" (list "--host" "--port" "--insecure" "--ssl-certfile" "--ssl-keyfile" "--ssl-ca-certfile" "--enable-supernode-auth" "--database" "--isolation" "--superexec-auth-secret-file" "--disable-runtime-dependency-installation" "--allow-runtime-dependency-installation" "--simulation" "--auth-list-public-keys" "--fleet-api-type" "--fleet-api-address" "--control-api-address" "--serverappio-api-address" "--appio-ssl-certfile" "--appio-ssl-keyfile" "--appio-ssl-ca-certfile") "superexec.extraArgs" (list "--runtime-api-address" "--appio-api-address" "--insecure" "--root-certificates" "--superexec-auth-secret-file" "--executor" "--executor-config" "--parent-pid" "--allow-runtime-dependency-installation") }}
{{- range $path, $arguments := dict "extraArgs" .Values.extraArgs "superexec.extraArgs" .Values.superexec.extraArgs }}
{{- include "superlink.check.flags" (list $path $arguments (get $own $path)) }}
{{- end }}
{{- range $name := list "FLWR_INTERNAL_GRPC_CONTROL_API" "FLWR_INTERNAL_GRPC_FLEET_API" }}
{{- if hasKey $.Values.env $name }}
env.{{ $name }}: opens a second listener that no gateway guards; leave it out
{{- end }}
{{- end }}
{{- end -}}

{{/* The rest: values that contradict each other. */}}
{{- define "superlink.check.contradictions" -}}
{{- if and (not .Values.persistence.enabled) .Values.persistence.existingClaim }}
persistence.existingClaim: {{ .Values.persistence.existingClaim }} would not be used, because persistence.enabled is false; set one of the two
{{- end }}
{{- if ge (int .Values.drainSeconds) (int .Values.terminationGracePeriodSeconds) }}
drainSeconds: {{ int .Values.drainSeconds }} leaves nothing of terminationGracePeriodSeconds {{ int .Values.terminationGracePeriodSeconds }} for the SuperLink to end; make the second longer
{{- end }}
{{- if and .Values.metrics.podMonitor.enabled (not .Values.metrics.enabled) }}
metrics.podMonitor.enabled: there is nothing to scrape, because metrics.enabled is false; set it to true
{{- end }}
{{- if and .Values.namespaceKit.operatorRole.enabled (not .Values.namespaceKit.operatorRole.subjects) }}
namespaceKit.operatorRole.subjects: is empty, so the role would be nobody's; name at least one subject
{{- end }}
{{- end -}}
