{{/* Keeps the SuperLink's list of nodes as the values say. It speaks to the SuperLink itself, past the gateway. */}}
{{- define "superlink.container.registrar" -}}
- name: registrar
  image: {{ (include "superlink.images" . | fromYaml).superlink | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [{{ .Values.python | quote }}, /files/launch.py, registrar]
  args:
    - --nodes=/admission/nodes.json
    - --revoked=/admission/revoked-keys
    - --revoked-users=/admission/revoked-users
    - --kept=/revoked
    - --max-removals=/admission/max-removals
    - --superlink=127.0.0.1:{{ (include "superlink.ports" . | fromYaml).superlink }}
    - --root-certificates=/loopback/ca.crt
    - --admission={{ .Values.admission.mode }}
    - --interval={{ .Values.registrar.intervalSeconds | int }}
  env:
    - {name: PYTHONDONTWRITEBYTECODE, value: "1"}
    - {name: PYTHONUNBUFFERED, value: "1"}
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.registrar.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: files, mountPath: /files, readOnly: true}
    - {name: admission, mountPath: /admission, readOnly: true}
    - {name: state, mountPath: /revoked, subPath: revoked}
    - {name: loopback, mountPath: /loopback/ca.crt, subPath: ca.crt, readOnly: true}
{{- end -}}

{{/* Merges what was revoked into the list on the volume, before the gateway listens: that list alone only grows. */}}
{{- define "superlink.container.revocations" -}}
- name: revocations
  image: {{ (include "superlink.images" . | fromYaml).superlink | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [{{ .Values.python | quote }}, /files/launch.py, kept_revocations]
  args:
    - --kept=/state/revoked
    - --revoked-users=/admission/revoked-users
    - --revoked=/admission/revoked-keys
  env:
    - {name: PYTHONDONTWRITEBYTECODE, value: "1"}
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.registrar.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: files, mountPath: /files, readOnly: true}
    - {name: admission, mountPath: /admission, readOnly: true}
    - {name: state, mountPath: /state}
{{- end -}}
