{{/*
What is refused, one line each: the values path, what is wrong, what to do. Each helper prints the lines of one subject.
*/}}

{{/* Versions: submit.py speaks to one line of Flower. */}}
{{- define "app.check.flower" -}}
{{- if ne .Values.flower "1.41" }}
flower: this chart is for Flower 1.41 (>=1.41 <1.42), not {{ .Values.flower }}; take a release of the chart for that line
{{- end }}
{{- include "app.check.tags" (dict "image.tag" .Values.image.tag) }}
{{- end -}}

{{/* Where the SuperLink is, and by what both sides are known: exactly one source of trust and a user, or neither. */}}
{{- define "app.check.superlink" -}}
{{- if not .Values.superlink.address }}
superlink.address: is empty; write the host:port of the SuperLink's control audience
{{- end }}
{{- $trust := list }}
{{- range $name := list "caCert" "existingSecret" "existingConfigMap" "systemTrust" }}
{{- if get $.Values.tls $name }}{{ $trust = append $trust (printf "tls.%s" $name) }}{{ end }}
{{- end }}
{{- if .Values.insecure }}
{{- range $trust }}
insecure: true cannot go with {{ . }}, because there is nothing to trust without TLS; leave it out, or set insecure to false
{{- end }}
{{- if .Values.user.existingSecret }}
insecure: true cannot go with user.existingSecret, because there are no users without TLS; leave it out, or set insecure to false
{{- end }}
{{- else }}
{{- if not $trust }}
tls: says nobody to trust; set one of tls.caCert, tls.existingSecret, tls.existingConfigMap and tls.systemTrust
{{- else if gt (len $trust) 1 }}
tls: {{ join " and " $trust }} exclude each other; keep one
{{- end }}
{{- if not .Values.user.existingSecret }}
user.existingSecret: is empty; name the kubernetes.io/tls Secret of a user who may start runs
{{- end }}
{{- end }}
{{- if and .Values.tls.caCert (not (regexMatch "^\\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----\\s*)+$" .Values.tls.caCert)) }}
tls.caCert: is not a certificate in PEM form; it must begin with -----BEGIN CERTIFICATE----- and hold certificates alone
{{- end }}
{{- end -}}

{{/* The app comes from one place. */}}
{{- define "app.check.source" -}}
{{- $keys := dict "inline" "app.inline" "image" "app.image.path" "volume" "app.volume.claim" "archive" "app.archive.url" "git" "app.git.url" }}
{{- $set := list }}
{{- range include "app.sources" . | fromYamlArray }}{{ $set = append $set (get $keys .) }}{{ end }}
{{- if not $set }}
app: says no source; set one of app.inline, app.image.path, app.volume.claim, app.archive.url and app.git.url
{{- else if gt (len $set) 1 }}
app: {{ join " and " $set }} exclude each other; keep one
{{- end }}
{{- range $path, $_ := .Values.app.inline }}
{{- if has ".." (splitList "/" $path) }}
app.inline: {{ $path }} leads out of the app's directory; write paths without ..
{{- end }}
{{- end }}
{{- if and .Values.app.inline (not (hasKey .Values.app.inline "pyproject.toml")) }}
app.inline: has no pyproject.toml, in which a Flower app says what its ServerApp and ClientApp are; add it
{{- end }}
{{- if and .Values.app.git.url (not .Values.app.git.ref) }}
app.git.ref: is empty; name a branch, a tag or a full commit
{{- end }}
{{- end -}}

{{/* An archive is what it was, and its key is not shown around. */}}
{{- define "app.check.archive" -}}
{{- $archive := .Values.app.archive }}
{{- if and $archive.url (not $archive.sha256) }}
app.archive.sha256: is empty, so whoever can change the archive would run code on every SuperNode; give its SHA-256
{{- end }}
{{- if regexMatch "^https?://[^/]*@" $archive.url }}
app.archive.url: holds a user's name or password, and values are not secret; keep them in the Secret named by app.archive.existingSecret
{{- end }}
{{- if regexMatch "(?i)[?&][a-z0-9_-]*(signature|sig|token|credential|key|password|secret|auth)[a-z0-9_-]*=" $archive.url }}
app.archive.url: its query looks like a signature or token, and values are not secret; keep what follows the ? as the entry `query` of the Secret named by app.archive.existingSecret
{{- end }}
{{- if and $archive.existingSecret (hasPrefix "http:" $archive.url) }}
app.archive.url: http: would show the authorization to the whole network; write https:
{{- end }}
{{- if and $archive.path (include "app.isFab" .) }}
app.archive.path: a .fab has no directories to choose from; leave it out
{{- end }}
{{- end -}}

{{/* The run config, and arguments that the chart sets itself. */}}
{{- define "app.check.run" -}}
{{- $error := get (fromToml .Values.runConfig) "Error" | toString }}
{{- if hasPrefix "toml: " $error }}
runConfig: is not TOML: {{ trimPrefix "toml: " $error }}
{{- end }}
{{- $own := list "--connection" "--source-record" "--address" "--root-certificates" "--client-certificate" "--client-key" "--insecure" "--federation" "--config" "--detach" "--timeout" "--on-interrupt" "--json" "--outcome" "--record" }}
{{- include "app.check.flags" (list "extraArgs" .Values.extraArgs $own) }}
{{- end -}}
