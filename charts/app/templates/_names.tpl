{{/*
Names: the chart's one home of them. Helpers that give several things return YAML: read them with `fromYaml`.
*/}}

{{/* The federation's name, for labels: empty, because this chart is not given it. */}}
{{- define "app.federation" -}}
{{- end -}}

{{/* Every object's name, by what it is. */}}
{{- define "app.names" -}}
{{- $base := include "app.fullname" . -}}
files: {{ $base }}-files
run: {{ $base }}-run
inline: {{ $base }}-app
ca: {{ $base }}-ca
outcome: {{ $base }}-outcome
test: {{ $base }}-test
account: {{ default (ternary $base "default" .Values.serviceAccount.create) .Values.serviceAccount.name | quote }}
{{- end -}}

{{/* A Job cannot be changed: its name says what it runs, so that other values make another Job, and another run. */}}
{{- define "app.jobName" -}}
{{ include "app.fullname" . }}-{{ include "app.jobSpec" . | sha256sum | trunc 8 }}
{{- end -}}

{{/* Where the app comes from: the sources that are set, as a list. */}}
{{- define "app.sources" -}}
{{- $app := .Values.app -}}
{{- $set := list -}}
{{- if $app.inline -}}{{- $set = append $set "inline" -}}{{- end -}}
{{- if $app.image.path -}}{{- $set = append $set "image" -}}{{- end -}}
{{- if $app.volume.claim -}}{{- $set = append $set "volume" -}}{{- end -}}
{{- if $app.archive.url -}}{{- $set = append $set "archive" -}}{{- end -}}
{{- if $app.git.url -}}{{- $set = append $set "git" -}}{{- end -}}
{{- toYaml $set -}}
{{- end -}}

{{/* The one source. */}}
{{- define "app.source" -}}
{{- first (include "app.sources" . | fromYamlArray) -}}
{{- end -}}

{{/* Whether the archive is a .fab, which is packed already. */}}
{{- define "app.isFab" -}}
{{- if hasSuffix ".fab" (first (splitList "?" .Values.app.archive.url)) -}}true{{- end -}}
{{- end -}}

{{/* What submit.py is given: the app's directory, or its .fab. */}}
{{- define "app.path" -}}
{{- $app := .Values.app -}}
{{- $source := include "app.source" . -}}
{{- if eq $source "volume" -}}{{ printf "/volume/%s" $app.volume.path | trimSuffix "/" }}
{{- else -}}/app/source
{{- end -}}
{{- end -}}
