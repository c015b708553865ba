{{/* The Job's spec. Its hash is in the Job's name, so nothing may stand here that changes without another run being meant. */}}
{{- define "app.jobSpec" -}}
{{- $outcome := .Values.outcome.configMap.enabled -}}
{{- $source := include "app.source" . -}}
# Once: a second try would be a second run.
backoffLimit: 0
{{- if not (kindIs "invalid" .Values.ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ int .Values.ttlSecondsAfterFinished }}
{{- end }}
template:
  metadata:
    labels:
      {{- mergeOverwrite (deepCopy .Values.podLabels) (include "app.selector" . | fromYaml) | toYaml | nindent 6 }}
      app.kubernetes.io/component: run
    annotations:
      # What is mounted and decides what is run.
      flowerbed/run: {{ printf "%s\n%s\n%s" (include "app.connection" .) .Values.runConfig .Values.rerun | sha256sum }}
      {{- if eq $source "inline" }}
      flowerbed/app: {{ toJson .Values.app.inline | sha256sum }}
      {{- end }}
      {{- with .Values.podAnnotations }}
      {{- include "app.texts" . | nindent 6 }}
      {{- end }}
  spec:
    {{- include "app.pod" . | nindent 4 }}
    terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
    {{- if or .Values.initContainers (ne $source "volume") }}
    initContainers:
      {{- with .Values.initContainers }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- if ne $source "volume" }}
      {{- include "app.container.fetch" . | nindent 6 }}
      {{- end }}
    {{- end }}
    containers:
      - name: submit
        image: {{ (include "app.images" . | fromYaml).submit | quote }}
        imagePullPolicy: {{ .Values.image.pullPolicy }}
        {{- if $outcome }}
        command: [{{ .Values.python | quote }}, /files/launch.py, outcome, {{ (include "app.names" . | fromYaml).outcome }}]
        {{- else }}
        command: [{{ .Values.python | quote }}, /files/launch.py, submit]
        {{- end }}
        args:
          - {{ include "app.path" . | quote }}
          - --connection=/run/flowerbed/connection.toml
          {{- if has $source (list "archive" "git") }}
          # Where the app came from, for the run's record.
          - --source-record=/app/source.json
          {{- end }}
          - --config=/run/flowerbed/run.toml
          - --on-interrupt={{ .Values.onInterrupt }}
          {{- with .Values.timeout }}
          - --timeout={{ . }}
          {{- end }}
          - --json
          # The run's id and outcome, in the pod's status.
          - --outcome=/dev/termination-log
          {{- if .Values.record.volume.claim }}
          - {{ printf "--record=/record/%s" .Values.record.volume.path | trimSuffix "/" | quote }}
          {{- end }}
          {{- range .Values.extraArgs }}
          - {{ . | replace "$" "$$" | quote }}
          {{- end }}
        workingDir: /tmp
        env:
          {{- include "app.env" . | trim | nindent 10 }}
        terminationMessagePolicy: FallbackToLogsOnError
        resources:
          {{- toYaml .Values.resources | nindent 10 }}
        securityContext:
          {{- toYaml .Values.securityContext | nindent 10 }}
        volumeMounts:
          {{- include "app.callMounts" . | nindent 10 }}
          - {name: scratch, mountPath: /tmp}
          {{- if eq $source "volume" }}
          - {name: volume, mountPath: /volume, readOnly: true}
          {{- else }}
          - {name: app, mountPath: /app, readOnly: true}
          {{- end }}
          {{- if $outcome }}
          - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
          {{- end }}
          {{- if .Values.record.volume.claim }}
          - {name: record, mountPath: /record}
          {{- end }}
          {{- with .Values.extraVolumeMounts }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
    volumes:
      {{- include "app.callVolumes" . | nindent 6 }}
      {{- include "app.sourceVolumes" . | nindent 6 }}
      - name: scratch
        emptyDir:
          sizeLimit: {{ .Values.scratchSizeLimit | quote }}
      {{- if $outcome }}
      - name: token
        projected:
          defaultMode: 0440
          sources:
            - serviceAccountToken: {path: token, expirationSeconds: 3600}
            - configMap:
                name: kube-root-ca.crt
                items:
                  - {key: ca.crt, path: ca.crt}
            - downwardAPI:
                items:
                  - path: namespace
                    fieldRef: {fieldPath: metadata.namespace}
      {{- end }}
      {{- with .Values.record.volume.claim }}
      - name: record
        persistentVolumeClaim:
          claimName: {{ . | quote }}
      {{- end }}
      {{- with .Values.extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end -}}
