{{/* What the tenant gives to ClientApps: environment, volumes and mounts, for the pods and containers in which they run. */}}

{{/*
Volumes. A claim's name may be too long for a volume's name. Takes (list $ name): the name of the ConfigMap with
what is added to Flower's processes.
*/}}
{{- define "supernode.appVolumes" -}}
- {{- include "supernode.startVolume" . | nindent 2 }}
{{- with index . 0 -}}
{{- include "supernode.secretVolumes" .Values.secrets }}
{{- $seen := dict }}
{{- range .Values.data }}
{{- $name := include "supernode.dataVolumeName" . }}
{{- if not (hasKey $seen $name) }}
{{- $_ := set $seen $name true }}
- name: {{ $name }}
  {{- if .hostPath }}
  hostPath: {path: {{ .hostPath | quote }}, type: Directory}
  {{- else }}
  persistentVolumeClaim: {claimName: {{ .claim | quote }}}
  {{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Name of an entry's volume; entries with the same claim share it. */}}
{{- define "supernode.dataVolumeName" -}}
data-{{ printf "%s %s" (default "" .claim) (default "" .hostPath) | sha256sum | trunc 10 }}
{{- end -}}

{{/*
Mounts. Read-only unless said otherwise; a node's own subdirectory is named as its pod. Takes (list $ node): the node's name,
empty in its own pod.
*/}}
{{- define "supernode.appMounts" -}}
{{- $root := index . 0 -}}
{{- $node := index . 1 -}}
- {{ include "supernode.startMount" $root }}
{{- include "supernode.secretMounts" $root.Values.secrets }}
{{- range $root.Values.data }}
- name: {{ include "supernode.dataVolumeName" . }}
  mountPath: {{ .mountPath | quote }}
  readOnly: {{ ternary .readOnly true (hasKey . "readOnly") }}
  {{- if .perNode }}
  {{ ternary "subPath" "subPathExpr" (ne $node "") }}: {{ default "$(FLOWERBED_NODE)" $node }}
  {{- end }}
{{- end }}
{{- with $root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
