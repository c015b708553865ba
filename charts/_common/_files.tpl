{{/*
The entries of the ConfigMap with the chart's files. A key holds no `/`: it is written as `--`, which launch.py knows. So the pods
mount whatever there is, and a new version that brings another module changes no pod's fields: a Job's could not be changed.
*/}}
{{- define "CHART.filesData" -}}
{{- range $path, $content := .Files.Glob "files/**" }}
{{ dict (include "CHART.fileKey" $path) (toString $content) | toYaml }}
{{- end }}
{{- end -}}

{{/* Takes the path of a file in the chart. */}}
{{- define "CHART.fileKey" -}}
{{- trimPrefix "files/" . | replace "/" "--" -}}
{{- end -}}
