{{/* Environment of a SuperExec that only starts pods: no app runs in it, so the client of the Kubernetes API is what it imports. */}}
{{- define "supernode.executorEnv" -}}
{{- $client := dict "PYTHONPATH" "/client" }}
{{- include "supernode.envList" (mergeOverwrite (include "supernode.flowerEnv" . | fromYaml) (deepCopy .Values.env) $client) -}}
{{- end -}}

{{/*
Configuration of Flower's Kubernetes executor for one SuperExec (flwr 1.41: supercore/superexec/executor). It ignores keys
that it does not know, so a test gives each to Flower's own reader. The pods pass Pod Security `restricted`. By the label
flowerbed/node the executor's budget and sweep distinguish the task pods of one SuperNode; Flower adds the component.
Takes (list $ node).
*/}}
{{- define "supernode.executorConfig" -}}
{{- $root := index . 0 -}}
{{- $node := index . 1 -}}
{{- with $root -}}
namespace: {{ include "supernode.taskNamespace" . | quote }}
image: {{ (include "supernode.images" . | fromYaml).task | quote }}
image-pull-policy: {{ .Values.image.pullPolicy }}
active-pod-budget: {{ int .Values.tasks.activePodBudget }}
{{- with .Values.tasks.serviceAccountName }}
service-account-name: {{ . | quote }}
{{- end }}
{{- with .Values.priorityClassName }}
priority-class-name: {{ . | quote }}
{{- end }}
labels:
  {{- mergeOverwrite (deepCopy .Values.podLabels) (dict "app.kubernetes.io/instance" (include "supernode.fullname" .) "flowerbed/node" $node) | toYaml | nindent 2 }}
{{- with .Values.podAnnotations }}
annotations:
  {{- include "supernode.texts" . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
node-selector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
env:
  {{- include "supernode.env" (list . "start") | trim | nindent 2 }}
volumes:
  - name: scratch
    emptyDir:
      sizeLimit: {{ .Values.scratchSizeLimit | quote }}
  {{- with include "supernode.appVolumes" (list . (include "supernode.names" . | fromYaml).start) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
volume-mounts:
  - name: scratch
    mountPath: /tmp
  {{- with include "supernode.appMounts" (list . $node) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml .Values.tasks.resources | nindent 2 }}
pod-security-context:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
container-security-context:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}
{{- end -}}
