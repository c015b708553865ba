{{/*
The SuperNode. It starts as supernode.py, which waits until the SuperLink admits the node, and becomes flower-supernode
below observer.py, which answers the probes. Of all containers it alone mounts the node's key, and of all keys its own.
*/}}
{{- define "supernode.container.supernode" -}}
{{- $apps := include "supernode.apps" . -}}
- name: supernode
  image: {{ (include "supernode.images" . | fromYaml).supernode | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [{{ .Values.python | quote }}, /files/launch.py, supernode]
  args:
    - --state=/state
    - --reason-file=/state/reason
    - --observer=/files/observer.py
    - --superlink={{ .Values.superlink.address }}
    {{- if .Values.insecure }}
    - --insecure
    {{- else }}
    {{- if not .Values.tls.systemTrust }}
    - --root-certificates=/ca/ca.crt
    {{- end }}
    {{- if .Values.keys.enabled }}
    - --auth-supernode-private-key=/key/node
    {{- end }}
    {{- end }}
    - --node-config=/node/config.toml
    - --isolation={{ .Values.isolationMode }}
    {{- if eq $apps "sidecar" }}
    # Inside the pod; nobody else reaches it.
    - --host=127.0.0.1
    - --port={{ include "supernode.runtimePort" . }}
    - --superexec-auth-secret-file=/runtime/secret
    {{- else if include "supernode.apart" . }}
    - --host=$(POD_IP)
    - --port={{ include "supernode.runtimePort" . }}
    - --ssl-certfile=/runtime/tls.crt
    - --ssl-keyfile=/runtime/tls.key
    - --ssl-ca-certfile=/runtime/ca.crt
    - --superexec-auth-secret-file={{ include "supernode.secretFile" . }}
    {{- end }}
    {{- range .Values.extraArgs }}
    - {{ . | replace "$" "$$" | quote }}
    {{- end }}
  workingDir: /tmp
  env:
    - name: FLOWERBED_NODE
      valueFrom:
        fieldRef: {fieldPath: metadata.name}
    {{- if include "supernode.apart" . }}
    - name: POD_IP
      valueFrom:
        fieldRef: {fieldPath: status.podIP}
    {{- end }}
    - name: FLOWERBED_STATE
      value: /state
    {{- include "supernode.envWithSecrets" (list . "start") | trim | nindent 4 }}
  {{- if eq $apps "supernode" }}
  {{- with include "supernode.envFrom" .Values.secrets | trim }}
  envFrom:
    {{- . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if include "supernode.apart" . }}
  ports:
    - {name: runtime, containerPort: {{ include "supernode.runtimePort" . }}, protocol: TCP}
  {{- end }}
  # The reason why a node is not Ready is the probe's text, which `kubectl describe pod` shows.
  readinessProbe:
    exec:
      command: [{{ .Values.python | quote }}, -I, -S, /files/observer.py, ready]
    {{- toYaml .Values.readiness | nindent 4 }}
  livenessProbe:
    exec:
      command: [{{ .Values.python | quote }}, -I, -S, /files/observer.py, alive]
    {{- toYaml .Values.liveness | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: files, mountPath: /files, readOnly: true}
    - {name: nodes, mountPath: /node/config.toml, subPathExpr: $(FLOWERBED_NODE).toml, readOnly: true}
    - {name: state, mountPath: /state}
    - {name: scratch, mountPath: /tmp}
    {{- if not .Values.insecure }}
    {{- if not .Values.tls.systemTrust }}
    - {name: ca, mountPath: /ca, readOnly: true}
    {{- end }}
    {{- if .Values.keys.enabled }}
    - {name: keys, mountPath: /key/node, subPathExpr: $(FLOWERBED_NODE), readOnly: true}
    {{- end }}
    {{- end }}
    {{- if eq .Values.isolationMode "process" }}
    - {name: runtime, mountPath: /runtime, readOnly: true}
    {{- end }}
    {{- if eq (include "supernode.secretFile" .) "/superexec/secret" }}
    - {name: superexec, mountPath: /superexec, readOnly: true}
    {{- end }}
    {{- if eq $apps "supernode" }}
    {{- with include "supernode.appMounts" (list . "") | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- else }}
    - {{ include "supernode.startMount" . }}
    {{- end }}
{{- end -}}
