{{/* Environment of a SuperExec that only starts pods: Flower's own, and the client of the Kubernetes API. */}}
{{- define "superlink.executorEnv" -}}
{{- include "superlink.envList" (include "superlink.flowerEnv" . | fromYaml) }}
- name: PYTHONPATH
  value: /client
{{- end -}}

{{/*
Configuration of Flower's Kubernetes executor (flwr 1.41: supercore/superexec/executor/kubernetes_executor.py). It ignores
keys that it does not know, so every key here is checked by a test against Flower's own reader. The pods pass Pod Security
`restricted`. `instance` is the label by which the executor's budget and sweep, and the NetworkPolicy, distinguish
this release's task pods from others.
*/}}
{{- define "superlink.executorConfig" -}}
namespace: {{ include "superlink.taskNamespace" . | quote }}
image: {{ (include "superlink.images" . | fromYaml).task | quote }}
image-pull-policy: {{ .Values.image.pullPolicy }}
active-pod-budget: {{ int .Values.tasks.activePodBudget }}
{{- with .Values.tasks.serviceAccountName }}
service-account-name: {{ . | quote }}
{{- end }}
{{- with .Values.superexec.priorityClassName }}
priority-class-name: {{ . | quote }}
{{- end }}
labels:
  {{- mergeOverwrite (deepCopy .Values.superexec.podLabels) (dict "app.kubernetes.io/instance" (include "superlink.fullname" .)) | toYaml | nindent 2 }}
{{- with .Values.superexec.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.superexec.nodeSelector }}
node-selector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.superexec.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.superexec.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
env:
  {{- include "superlink.serverAppEnv" . | trim | nindent 2 }}
volumes:
  - name: scratch
    emptyDir:
      sizeLimit: {{ .Values.superexec.scratchSizeLimit | quote }}
  - {{- include "superlink.startVolume" (list . (include "superlink.names" . | fromYaml).start) | nindent 4 }}
  {{- with .Values.superexec.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volume-mounts:
  - name: scratch
    mountPath: /tmp
  - {{ include "superlink.startMount" . }}
  {{- with .Values.superexec.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml .Values.tasks.resources | nindent 2 }}
pod-security-context:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
container-security-context:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}
