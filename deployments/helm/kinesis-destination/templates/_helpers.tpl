{{- define "fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* What of the destinations a running process does not take on: everything but activation and governance. */}}
{{- define "restarts" -}}
{{- range .Values.destinations -}}
{{ omit . "activation" "governance" | toJson }}
{{- end -}}
{{- end -}}

{{/* The control plane's own names: its pods are none of the pipeline's. */}}
{{- define "controlName" -}}
{{ include "fullname" . | trunc 55 | trimSuffix "-" }}-control
{{- end -}}

{{- define "controlSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 55 | trimSuffix "-" }}-control
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "controlLabels" -}}
{{ include "controlSelector" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The names of the pods that run its flows alone. */}}
{{- define "followersName" -}}
{{ include "fullname" . | trunc 57 | trimSuffix "-" }}-flows
{{- end -}}

{{- define "followersSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 57 | trimSuffix "-" }}-flows
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "followersLabels" -}}
{{ include "followersSelector" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The block server of each destination. */}}
{{- define "adminServer" -}}
listen: ":8080"
{{- if .Values.admin.tls.secret }}
tls: {certFile: /admin/tls/tls.crt, keyFile: /admin/tls/tls.key}
{{- end }}
{{- if .Values.admin.token.secret }}
token: file:///admin/token/{{ .Values.admin.token.key }}
{{- end }}
{{- end -}}

{{/* What the pipeline and its check have alike: environment and files. */}}
{{- define "pipelineEnv" -}}
{{- if or .Values.secretEnv .Values.env -}}
env:
  {{- range .Values.secretEnv }}
  - name: {{ .name }}
    valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key | quote }}}}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "pipelineMounts" -}}
volumeMounts:
  - {name: configuration, mountPath: /etc/kinesis-destination, readOnly: true}
  {{- with include "adminMounts" . | trim }}{{ . | nindent 2 }}{{ end }}
  {{- range .Values.secretMounts }}
  - {name: secret-{{ . }}, mountPath: /secrets/{{ . }}, readOnly: true}
  {{- end }}
{{- end -}}

{{/* The endpoint of a ServiceMonitor: the admin port, as values say that it is reached. */}}
{{- define "scraped" -}}
port: http
path: /metrics
interval: {{ .Values.serviceMonitor.interval }}
{{- with .Values.admin.tls }}
{{- if .secret }}
scheme: https
tlsConfig:
  ca: {secret: {name: {{ .secret }}, key: ca.crt}}
  {{- with .serverName }}
  serverName: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- with .Values.admin.token }}
{{- if .secret }}
authorization: {credentials: {name: {{ .secret }}, key: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The volumes of the admin port's Secrets, and where pods have them. */}}
{{- define "adminVolumes" -}}
{{- with .Values.admin.tls.secret }}
- name: admin-tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.admin.token.secret }}
- name: admin-token
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{- define "adminMounts" -}}
{{- if .Values.admin.tls.secret }}
- {name: admin-tls, mountPath: /admin/tls, readOnly: true}
{{- end }}
{{- if .Values.admin.token.secret }}
- {name: admin-token, mountPath: /admin/token, readOnly: true}
{{- end }}
{{- end -}}
