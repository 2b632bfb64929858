{{/*
The pod of the control plane, of [root, followers]: one that serves the API, or one that runs flows alone. Both read the
journal, with the same sources and keys; followers take no calls, so they need no tokens and no certificate.
*/}}
{{- define "controlPod" -}}
{{- $root := index . 0 -}}{{- $follows := index . 1 -}}
{{- $plane := $root.Values.controlPlane -}}
{{- $own := $plane -}}
{{- if $follows }}{{ $own = $plane.followers }}{{ end -}}
{{- $scheme := ternary "HTTPS" "HTTP" (ne $root.Values.admin.tls.secret "") -}}
serviceAccountName: {{ include "serviceAccountName" $root }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ ternary "flows" "control-plane" $follows }}
    image: {{ include "image" $root | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args:
      {{- if $follows }}
      - run
      - --follow
      {{- else }}
      - serve
      {{- if $plane.run }}
      - --run
      {{- end }}
      - --listen=:8090
      {{- end }}
      - --admin=:8080
      {{- if $root.Values.admin.tls.secret }}
      - --admin-tls-cert=/admin/tls/tls.crt
      - --admin-tls-key=/admin/tls/tls.key
      {{- end }}
      {{- if $root.Values.admin.token.secret }}
      - --admin-token-file=/admin/token/{{ $root.Values.admin.token.key }}
      {{- end }}
      - --brokers={{ join "," $plane.brokers }}
      - --topic={{ $plane.topic }}
      - --status-topic={{ $plane.statusTopic }}
      {{- range $i, $source := $plane.sources }}
      - --source=/etc/kinesis-destination/source-{{ $i }}.yaml
      {{- end }}
      - --seal-keys=/control/seal/{{ $plane.sealKeys.key }}
      {{- if not $follows }}
      {{- if $plane.tokens.secret }}
      - --token-file=/control/tokens/{{ $plane.tokens.key }}
      {{- end }}
      {{- if $plane.oidc }}
      - --oidc=/etc/kinesis-destination/oidc.yaml
      {{- end }}
      - --tls-cert=/control/tls/tls.crt
      - --tls-key=/control/tls/tls.key
      {{- range $plane.hosts }}
      - --host={{ . }}
      {{- end }}
      {{- with $plane.awsIdentity }}
      - --aws-identity={{ . }}
      {{- end }}
      {{- end }}
      {{- if or $follows $plane.run }}
      {{- with $own.memory }}
      - --memory={{ . }}
      {{- end }}
      {{- with $own.flows }}
      - --flows={{ . }}
      {{- end }}
      {{- end }}
      - --log-format=json
      - --log-level={{ $root.Values.logLevel }}
    {{- if or $root.Values.secretEnv $root.Values.env }}
    env:
      {{- range $root.Values.secretEnv }}
      - name: {{ .name }}
        valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key | quote }}}}
      {{- end }}
      {{- with $root.Values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    ports:
      - {name: http, containerPort: 8080, protocol: TCP}
      {{- if not $follows }}
      - {name: https, containerPort: 8090, protocol: TCP}
      {{- end }}
    # The journal is read before it listens: that may take a while, and Kafka may be away.
    startupProbe:
      httpGet: {path: /healthz, port: http, scheme: {{ $scheme }}}
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /healthz, port: http, scheme: {{ $scheme }}}
      periodSeconds: 10
      timeoutSeconds: 5
    readinessProbe:
      httpGet: {path: /readyz, port: http, scheme: {{ $scheme }}}
      periodSeconds: 5
      timeoutSeconds: 5
    {{- with $own.resources }}
    resources: {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    volumeMounts:
      - {name: configuration, mountPath: /etc/kinesis-destination, readOnly: true}
      - {name: seal, mountPath: /control/seal, readOnly: true}
      {{- if not $follows }}
      {{- if $plane.tokens.secret }}
      - {name: tokens, mountPath: /control/tokens, readOnly: true}
      {{- end }}
      - {name: tls, mountPath: /control/tls, readOnly: true}
      {{- end }}
      {{- with include "adminMounts" $root | trim }}{{ . | nindent 6 }}{{ end }}
      {{- range $root.Values.secretMounts }}
      - {name: secret-{{ . }}, mountPath: /secrets/{{ . }}, readOnly: true}
      {{- end }}
volumes:
  - name: configuration
    configMap: {name: {{ include "controlName" $root }}}
  - name: seal
    secret: {secretName: {{ $plane.sealKeys.secret }}, defaultMode: 0440}
  {{- if not $follows }}
  {{- if $plane.tokens.secret }}
  - name: tokens
    secret: {secretName: {{ $plane.tokens.secret }}, defaultMode: 0440}
  {{- end }}
  - name: tls
    secret: {secretName: {{ $plane.tls.secret }}, defaultMode: 0440}
  {{- end }}
  {{- with include "adminVolumes" $root | trim }}{{ . | nindent 2 }}{{ end }}
  {{- range $root.Values.secretMounts }}
  - name: secret-{{ . }}
    secret: {secretName: {{ . }}, defaultMode: 0440}
  {{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The annotations of these pods, of [root]: they start anew with what is in the ConfigMap. */}}
{{- define "controlAnnotations" -}}
checksum/sources: {{ toJson .Values.controlPlane.sources | sha256sum }}
{{- with .Values.controlPlane.oidc }}
checksum/oidc: {{ toJson . | sha256sum }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What the values of the control plane must have. */}}
{{- define "requireControlPlane" -}}
{{- with .Values.controlPlane -}}
{{- if not .brokers }}{{ fail "controlPlane.brokers: name the brokers of the journal" }}{{ end -}}
{{- if not .sources }}{{ fail "controlPlane.sources: name at least one; flows read nothing else" }}{{ end -}}
{{- range $key := list "sealKeys" "tls" -}}
{{- if not (index $.Values.controlPlane $key).secret }}{{ fail (printf "controlPlane.%s.secret: name the Secret; see values.yaml" $key) }}{{ end -}}
{{- end -}}
{{- if not (or .tokens.secret .oidc) }}{{ fail "controlPlane.tokens.secret: name the Secret, or give controlPlane.oidc; see values.yaml" }}{{ end -}}
{{- if not (or .run .followers.replicas) }}{{ fail "controlPlane.run: nothing would run the flows; set it, or controlPlane.followers.replicas" }}{{ end -}}
{{- end -}}
{{- end -}}
