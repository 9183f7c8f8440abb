{{- define "exporter.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- $name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "exporter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "exporter.labels" -}}
{{ include "exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "exporter.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "exporter.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "exporter.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end }}
{{- end }}

{{- define "exporter.credentialsSecret" -}}
{{- with .Values.credentials }}
{{- if .existingSecret }}{{ .existingSecret }}{{ else if .secretId }}{{ include "exporter.name" $ }}-credentials{{ end }}
{{- end }}
{{- end }}

{{/* Meets the restricted Pod Security Standard. */}}
{{- define "exporter.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "exporter.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The flags that the daemon and its healthcheck share. */}}
{{- define "exporter.flags" -}}
- --config.file=/etc/tencentcloud-vpn-exporter/config/config.yml
- --web.listen-address=:14500
{{- if .Values.web.existingSecret }}
- --web.config.file=/etc/tencentcloud-vpn-exporter/web/web.yml
{{- end }}
{{- end }}

{{- define "exporter.env" -}}
{{- if gt (int .Values.shards) 1 }}
- name: SHARD_INDEX
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
{{- end }}
{{- with include "exporter.credentialsSecret" . }}
- name: TENCENTCLOUD_SECRET_ID
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: secret_id}
- name: TENCENTCLOUD_SECRET_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: secret_key}
- name: TENCENTCLOUD_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: token, optional: true}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A probe of one path: an HTTP request of the kubelet, or the exporter's healthcheck if client certificates are required. */}}
{{- define "exporter.probe" -}}
{{- if .root.Values.web.clientCertificates }}
exec:
  command:
    - /tencentcloud-vpn-exporter
    - healthcheck
    {{- if eq .path "/-/ready" }}
    - --ready
    {{- end }}
    {{- include "exporter.flags" .root | nindent 4 }}
{{- else }}
httpGet:
  path: {{ .path }}
  port: metrics
  scheme: {{ upper .root.Values.web.scheme }}
{{- end }}
{{- end }}
