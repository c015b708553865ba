{{/* The only container that listens outside the pod. files/haproxy.cfg says what each variable means. */}}
{{- define "superlink.container.gateway" -}}
{{- $ports := include "superlink.ports" . | fromYaml -}}
{{- $limits := .Values.limits -}}
- name: gateway
  image: {{ (include "superlink.images" . | fromYaml).gateway | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command:
    - sh
    - /files/gateway.sh
    - /files/haproxy.cfg
    {{- if not .Values.insecure }}
    # Where it keeps the last good copies, and what it watches: a change makes it reload.
    - /kept
    - tls.crt=/tls/tls.crt
    - tls.key=/tls/tls.key
    - ca.crt=/clients/ca.crt
    - users=/admission/users
    - revoked-users=/admission/revoked-users
    - revoked-kept=/revoked/users
    - admitted-keys=/admission/admitted-keys
    {{- end }}
  env:
    - {name: GATEWAY_HOST, value: {{ .Values.gateway.bindAddress | quote }}}
    - {name: GATEWAY_FLEET_PORT, value: {{ $ports.fleet | quote }}}
    - {name: GATEWAY_CONTROL_PORT, value: {{ $ports.control | quote }}}
    - {name: GATEWAY_RUNTIME_PORT, value: {{ $ports.runtime | quote }}}
    - {name: GATEWAY_READINESS_PORT, value: {{ $ports.readiness | quote }}}
    - {name: GATEWAY_METRICS_PORT, value: {{ $ports.metrics | quote }}}
    - {name: GATEWAY_SUPERLINK_PORT, value: {{ $ports.superlink | quote }}}
    - {name: GATEWAY_INSECURE, value: {{ .Values.insecure | quote }}}
    - {name: GATEWAY_ADMISSION, value: {{ .Values.admission.mode | quote }}}
    {{- if not .Values.insecure }}
    # Names in /kept.
    - {name: GATEWAY_CERTIFICATE, value: tls.crt}
    - {name: GATEWAY_CLIENT_CA, value: ca.crt}
    - {name: GATEWAY_USERS, value: users}
    - {name: GATEWAY_REVOKED, value: revoked-users}
    - {name: GATEWAY_REVOKED_KEPT, value: revoked-kept}
    - {name: GATEWAY_ADMITTED, value: admitted-keys}
    - {name: GATEWAY_PENDING, value: pending}
    - {name: GATEWAY_LOOPBACK_CA, value: /loopback/ca.crt}
    {{- end }}
    - {name: GATEWAY_MAX_BODY, value: {{ mul $limits.bodyMebibytes 1048576 | quote }}}
    - {name: GATEWAY_MAX_STREAMS, value: {{ $limits.logStreams | int | quote }}}
    - {name: GATEWAY_MAX_FLEET, value: {{ $limits.fleetConnections | int | quote }}}
    - {name: GATEWAY_MAX_CONTROL, value: {{ $limits.controlConnections | int | quote }}}
    - {name: GATEWAY_MAX_RUNTIME, value: {{ $limits.runtimeConnections | int | quote }}}
    - {name: GATEWAY_MAX_TOTAL, value: {{ add $limits.fleetConnections $limits.controlConnections $limits.runtimeConnections 500 | quote }}}
    - {name: GATEWAY_USER_STREAMS, value: {{ $limits.logStreamsPerUser | int | quote }}}
    - {name: GATEWAY_USER_CALLS, value: {{ $limits.callsPerUser | int | quote }}}
    - {name: GATEWAY_USER_CONNECTIONS, value: {{ $limits.connectionsPerUser | int | quote }}}
    {{- if $limits.connectionsPerSource }}
    {{- range $audience, $exposure := .Values.exposure }}
    {{- /* Elsewhere all clients come from the addresses of a balancer, a router or a node. */}}
    {{- if or (eq $exposure.type "cluster") (and (has $exposure.type (list "loadBalancer" "nodePort")) (eq $exposure.externalTrafficPolicy "Local")) }}
    - {name: GATEWAY_SOURCE_{{ upper $audience }}, value: {{ $limits.connectionsPerSource | int | quote }}}
    {{- end }}
    {{- end }}
    {{- end }}
    - {name: GATEWAY_SOURCE_PROBES, value: "50"}
  ports:
    - {name: fleet, containerPort: {{ $ports.fleet }}}
    - {name: control, containerPort: {{ $ports.control }}}
    - {name: runtime, containerPort: {{ $ports.runtime }}}
    - {name: readiness, containerPort: {{ $ports.readiness }}}
    {{- if .Values.metrics.enabled }}
    - {name: metrics, containerPort: {{ $ports.metrics }}}
    {{- end }}
  # The way that a submission goes: through the SuperLink and its database.
  readinessProbe:
    httpGet: {path: /ready, port: readiness}
    {{- toYaml .Values.readiness | nindent 4 }}
  # The gateway alone: do not restart it because the SuperLink is slow.
  livenessProbe:
    httpGet: {path: /gateway, port: readiness}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  lifecycle:
    # SIGUSR1: HAProxy takes nothing new, finishes what is under way, and ends. SIGTERM would cut it off.
    preStop:
      exec:
        command: [sh, -c, "kill -USR1 1; sleep {{ int .Values.drainSeconds }}"]
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.gateway.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: files, mountPath: /files, readOnly: true}
    {{- if not .Values.insecure }}
    - {name: kept, mountPath: /kept}
    - {name: tls, mountPath: /tls, readOnly: true}
    - {name: clients, mountPath: /clients, readOnly: true}
    - {name: admission, mountPath: /admission, readOnly: true}
    # The list that only grows, and nothing else of the state.
    - {name: state, mountPath: /revoked, subPath: revoked, readOnly: true}
    # The authority alone: the SuperLink's key is none of the gateway's business.
    - {name: loopback, mountPath: /loopback/ca.crt, subPath: ca.crt, readOnly: true}
    {{- end }}
{{- end -}}
