{{/* Name of the release's objects, at most 40 bytes so that suffixes fit. */}}
{{- define "podward.name" -}}
{{- if contains "podward" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-podward" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "podward.labels" -}}
{{ include "podward.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: podward
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Stays the same for the life of the release. */}}
{{- define "podward.selector" -}}
app.kubernetes.io/name: podward
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "podward.image" -}}
{{- $tag := default .root.Chart.AppVersion .root.Values.global.image.tag -}}
{{- with .root.Values.global.image.registry }}{{ . }}/{{ end }}{{ .image }}:{{ $tag }}
{{- end }}

{{- define "podward.secret" -}}
{{- if eq .root.Values.tls.method "existing" -}}
{{ required (printf "tls.existing.%s: the name of a Secret is needed with tls.method existing" .component) (index .root.Values.tls.existing .component) }}
{{- else -}}
{{ include "podward.name" .root }}-{{ .component }}-tls
{{- end -}}
{{- end }}

{{- define "podward.tlsArgs" -}}
- --tls-ca=/etc/podward/tls/ca.crt
- --tls-cert=/etc/podward/tls/tls.crt
- --tls-key=/etc/podward/tls/tls.key
- --tls-domain={{ .Values.tls.domain }}
- --log-level={{ .Values.global.logLevel }}
- --log-format={{ .Values.global.logFormat }}
{{- end }}

{{/* All pods of a DaemonSet or StatefulSet share one Secret: its certificate can name only the role. */}}
{{- define "podward.tlsServerArgs" -}}
- --tls-shared-certificates
{{- end }}

{{/* Not empty when there can be several analyzers: they share the pod groups (docs/scaling.md). */}}
{{- define "podward.shares" -}}
{{- if or .Values.analyzer.autoscaling.enabled (gt (int .Values.analyzer.replicas) 1) -}}
{{- if gt (int .Values.policysync.replicas) 1 -}}
{{- fail "policysync.replicas: must be 1 with analyzer.replicas above 1 or analyzer.autoscaling.enabled: one policysync says which analyzer owns what" -}}
{{- end -}}
yes
{{- end -}}
{{- end }}

{{/* The one analyzer by its stable name, for --analyzers; several tell their addresses themselves. */}}
{{- define "podward.analyzers" -}}
{{- $name := include "podward.name" . -}}
{{ $name }}-analyzer-0={{ $name }}-analyzer-0.{{ $name }}-analyzer.{{ .Release.Namespace }}.svc:7443
{{- end }}

{{- define "podward.scrape" -}}
{{- if .root.Values.metrics.annotations }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | quote }}
{{- end }}
{{- end }}

{{- define "podward.probes" -}}
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
{{- end }}

{{- define "podward.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* tolerations, nodeSelector, affinity, imagePullSecrets of one component. */}}
{{- define "podward.scheduling" -}}
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
