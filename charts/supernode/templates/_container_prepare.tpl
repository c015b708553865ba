{{/*
Makes, in memory, what SuperNode and SuperExec share. Takes (list $ arguments): the arguments of prepare.py.
*/}}
{{- define "supernode.container.prepare" -}}
{{- $root := index . 0 -}}
{{- $arguments := index . 1 -}}
{{- with $root }}
- name: prepare
  image: {{ (include "supernode.images" . | fromYaml).supernode | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command:
    - {{ .Values.python | quote }}
    - /files/prepare.py
    {{- range $arguments }}
    - {{ . | quote }}
    {{- end }}
  env:
    - name: FLOWERBED_NODE
      valueFrom:
        fieldRef: {fieldPath: metadata.name}
    - {name: PYTHONDONTWRITEBYTECODE, value: "1"}
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    requests: {cpu: 10m, memory: 64Mi}
    limits: {memory: 128Mi}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: files, mountPath: /files, readOnly: true}
    - {name: runtime, mountPath: /runtime}
    {{- if include "supernode.apart" . }}
    - {name: superexec, mountPath: /superexec, readOnly: true}
    {{- end }}
{{- end }}
{{- end -}}
