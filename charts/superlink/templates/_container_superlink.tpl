{{/*
Checked by the kubelet through the gateway, because the SuperLink listens on loopback only. /live is its own health.
The flags are those of flwr 1.41; `flowerbed up` starts the same.
*/}}
{{- define "superlink.container.superlink" -}}
{{- $names := include "superlink.names" . | fromYaml -}}
{{- $ports := include "superlink.ports" . | fromYaml -}}
- name: superlink
  image: {{ (include "superlink.images" . | fromYaml).superlink | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [flower-superlink]
  args:
    - --host=127.0.0.1
    - --port={{ $ports.superlink }}
    {{- if .Values.insecure }}
    - --insecure
    {{- else }}
    - --ssl-certfile=/loopback/tls.crt
    - --ssl-keyfile=/loopback/tls.key
    - --ssl-ca-certfile=/loopback/ca.crt
    {{- end }}
    {{- if eq .Values.admission.mode "listed" }}
    - --enable-supernode-auth
    {{- end }}
    - --database=/state/state.db
    # In isolation `subprocess` an unauthorized client could take tasks: Flower checks no secret there.
    - --isolation=process
    - --superexec-auth-secret-file=/superexec/secret
    # Nothing is fetched at run time: images hold what apps need.
    - --disable-runtime-dependency-installation
    {{- range .Values.extraArgs }}
    - {{ . | replace "$" "$$" | quote }}
    {{- end }}
  env:
    {{- include "superlink.superlinkEnv" . | trim | nindent 4 }}
  {{- with include "superlink.envFrom" .Values.secrets | trim }}
  envFrom:
    {{- . | nindent 4 }}
  {{- end }}
  startupProbe:
    httpGet: {path: /live, port: {{ $ports.readiness }}}
    {{- toYaml .Values.startup | nindent 4 }}
  livenessProbe:
    httpGet: {path: /live, port: {{ $ports.readiness }}}
    {{- toYaml .Values.liveness | nindent 4 }}
  lifecycle:
    # Outlives the gateway's draining.
    preStop:
      sleep:
        seconds: {{ add .Values.drainSeconds 1 }}
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: state, mountPath: /state}
    {{- if not .Values.insecure }}
    - {name: loopback, mountPath: /loopback, readOnly: true}
    {{- end }}
    - {name: superexec, mountPath: /superexec, readOnly: true}
    - {name: scratch, mountPath: /tmp}
    {{- with include "superlink.secretMounts" .Values.secrets | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Makes the certificate of the hop between gateway and SuperLink, once per pod. */}}
{{- define "superlink.container.loopback" -}}
- name: loopback
  image: {{ (include "superlink.images" . | fromYaml).superlink | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [{{ .Values.python | quote }}, /files/loopback.py, /loopback]
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.registrar.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: files, mountPath: /files, readOnly: true}
    - {name: loopback, mountPath: /loopback}
{{- end -}}
