{{/* The container that lays the app out in /app, for the sources that need one; it sees no certificate of the user. */}}
{{- define "app.container.fetch" -}}
{{- $app := .Values.app -}}
{{- $source := include "app.source" . -}}
{{- $images := include "app.images" . | fromYaml -}}
- name: fetch
  image: {{ get (dict "image" $images.app "git" $images.git) $source | default $images.submit | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  {{- if eq $source "inline" }}
  command: [{{ .Values.python | quote }}, /files/launch.py, fetch_app, copy, /inline, /app/source]
  {{- else if eq $source "image" }}
  # -L: links lead to what they mean in this image, and Flower packs none.
  command: [cp, -R, -L, {{ $app.image.path | quote }}, /app/source]
  {{- else if has $source (list "archive" "git") }}
  {{- $from := get $app $source }}
  # git's image has its own Python; the standard library is enough.
  command: [{{ ternary "python3" .Values.python (eq $source "git") | quote }}, /files/launch.py, fetch_app]
  args:
    {{- if eq $source "git" }}
    - {{ printf "--ref=%s" ($from.ref | replace "$" "$$") | quote }}
    {{- if $from.submodules }}
    - --submodules
    {{- end }}
    {{- else }}
    - --sha256={{ $from.sha256 }}
    {{- end }}
    {{- with $from.path }}
    - --path={{ . }}
    {{- end }}
    {{- if $from.existingSecret }}
    - --credentials=/credentials
    {{- end }}
    - {{ printf "%s%s" (ternary "git+" "" (eq $source "git")) ($from.url | replace "$" "$$") | quote }}
    - /app/source
  {{- end }}
  env:
    {{- include "app.env" . | trim | nindent 4 }}
  workingDir: /tmp
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: app, mountPath: /app}
    - {name: scratch, mountPath: /tmp}
    {{- if ne $source "image" }}
    - {name: files, mountPath: /files, readOnly: true}
    {{- end }}
    {{- if eq $source "inline" }}
    - {name: inline, mountPath: /inline, readOnly: true}
    {{- else if include "app.credentials" . }}
    - {name: credentials, mountPath: /credentials, readOnly: true}
    {{- end }}
{{- end -}}

{{/* The Secret that the source asks for; nothing if it is public. */}}
{{- define "app.credentials" -}}
{{- $source := include "app.source" . -}}
{{- if has $source (list "archive" "git") -}}{{- (get .Values.app $source).existingSecret -}}{{- end -}}
{{- end -}}

{{/* Volumes of the source. */}}
{{- define "app.sourceVolumes" -}}
{{- $app := .Values.app -}}
{{- $source := include "app.source" . -}}
{{- if eq $source "volume" -}}
- name: volume
  persistentVolumeClaim:
    claimName: {{ $app.volume.claim | quote }}
    readOnly: true
{{- else -}}
- name: app
  emptyDir:
    sizeLimit: {{ .Values.scratchSizeLimit | quote }}
{{- if eq $source "inline" }}
# Keys of a ConfigMap hold no `/`, so the files are numbered there and get their paths here.
- name: inline
  configMap:
    name: {{ (include "app.names" . | fromYaml).inline }}
    items:
      {{- range $index, $path := keys $app.inline | sortAlpha }}
      - {key: file-{{ $index }}, path: {{ $path | quote }}}
      {{- end }}
{{- else if include "app.credentials" . }}
- name: credentials
  secret:
    secretName: {{ include "app.credentials" . | quote }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end -}}
