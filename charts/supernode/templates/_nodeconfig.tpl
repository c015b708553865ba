{{/*
One node's config as TOML: what every node gets, what all nodes of this release get, what this node gets; later wins. Reading
TOML and writing it again keeps every string and every type as it was.
Takes (list $ ordinal).
*/}}
{{- define "supernode.nodeConfig" -}}
{{- $root := index . 0 -}}
{{- $ordinal := index . 1 -}}
{{- $given := dict "partition-id" $ordinal "num-partitions" (int $root.Values.replicas) -}}
{{- $own := default "" (get $root.Values.node.configs (toString $ordinal)) -}}
{{- mergeOverwrite $given (fromToml $root.Values.node.config) (fromToml $own) | toToml -}}
{{- end -}}

{{/* All of them, as the ConfigMap's data: one entry per node, named as its pod. */}}
{{- define "supernode.nodeConfigs" -}}
{{- $configs := dict -}}
{{- range $ordinal := until (int .Values.replicas) -}}
{{- $_ := set $configs (printf "%s-%d.toml" (include "supernode.fullname" $) $ordinal) (include "supernode.nodeConfig" (list $ $ordinal)) -}}
{{- end -}}
{{- include "supernode.texts" $configs -}}
{{- end -}}
