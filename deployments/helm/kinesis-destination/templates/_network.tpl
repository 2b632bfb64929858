{{/*
What the NetworkPolicy lets out, and what of the configuration it would not. A port that it blocks looks like a broker,
a registry or an endpoint that hangs, so templating fails instead.
*/}}

{{/* The rules of egress, as a JSON list. A group without ports is closed. */}}
{{- define "egress" -}}
{{- $rules := list -}}
{{- range $name := list "dns" "aws" "kafka" "schemaRegistry" "otlp" -}}
  {{- $group := index $.Values.networkPolicy.egress $name | default dict -}}
  {{- $ports := list -}}
  {{- range $group.ports -}}
    {{- if eq $name "dns" }}{{ $ports = append $ports (dict "port" (int .) "protocol" "UDP") }}{{ end -}}
    {{- $ports = append $ports (dict "port" (int .) "protocol" "TCP") -}}
  {{- end -}}
  {{- if $ports -}}
    {{- $rule := dict "ports" $ports -}}
    {{- with $group.to }}{{ $rule = set $rule "to" . }}{{ end -}}
    {{- $rules = append $rules $rule -}}
  {{- end -}}
{{- end -}}
{{- toJson (concat $rules (default list .Values.networkPolicy.egress.further)) -}}
{{- end -}}

{{/*
Fails where a port is blocked: of [root, group, port, what names it]. A port is open if its own group has it, another
group has it for any peer, or a further rule has it. What is narrowed by peers is taken to reach what it is narrowed to.
*/}}
{{- define "requireOpen" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}{{- $port := int (index . 2) -}}{{- $what := index . 3 -}}
{{- $open := false -}}
{{- range $group, $rule := omit $root.Values.networkPolicy.egress "further" "dns" -}}
  {{- if or (eq $group $name) (not $rule.to) -}}
    {{- range $rule.ports }}{{ if eq (int .) $port }}{{ $open = true }}{{ end }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- range $rule := $root.Values.networkPolicy.egress.further -}}
  {{- if not $rule.ports }}{{ $open = true }}{{ end -}}
  {{- range $rule.ports -}}
    {{- $tcp := eq (default "TCP" .protocol) "TCP" -}}
    {{- if and $tcp (or (not .port) (and (le (int .port) $port) (ge (int (default .port .endPort)) $port))) }}{{ $open = true }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- if not $open -}}
{{- fail (printf "%s names port %d, which the NetworkPolicy would block: add it to networkPolicy.egress.%s.ports" $what $port $name) -}}
{{- end -}}
{{- end -}}

{{/* requireOpen for an address, host:port or URL: of [root, group, address, what names it]. References (${NAME}) are not known here. */}}
{{- define "requireReachable" -}}
{{- $address := index . 2 | toString | trim | trimSuffix "/" -}}
{{- $scheme := regexFind "^[a-zA-Z]+://" $address | lower -}}
{{- $authority := regexReplaceAll "[/?#].*$" (regexReplaceAll "^[a-zA-Z]+://" $address "") "" -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" -}}
{{- if and (not $port) (not (contains "${" $authority)) -}}
  {{- if eq $scheme "https://" }}{{ $port = "443" }}{{ else if eq $scheme "http://" }}{{ $port = "80" }}{{ end -}}
{{- end -}}
{{- if $port -}}{{- include "requireOpen" (list (index . 0) (index . 1) $port (index . 3)) -}}{{- end -}}
{{- end -}}

{{/* Everything that the values say the pods connect to. An error names the key, never its value. */}}
{{- define "requireEverythingReachable" -}}
{{- range $d := .Values.destinations -}}
  {{- $kafka := dig "source" "kafka" dict $d -}}
  {{- range $i, $broker := ternary (list $kafka.brokers) $kafka.brokers (kindIs "string" $kafka.brokers) -}}
    {{- include "requireReachable" (list $ "kafka" $broker (printf "destination %s: source.kafka.brokers[%d]" $d.name $i)) -}}
  {{- end -}}
  {{- range $url := splitList "," (dig "source" "schemaRegistry" "url" "" $d) -}}
    {{- include "requireReachable" (list $ "schemaRegistry" $url (printf "destination %s: source.schemaRegistry.url" $d.name)) -}}
  {{- end -}}
  {{- include "requireReachable" (list $ "aws" (dig "target" "kinesis" "endpoint" "" $d) (printf "destination %s: target.kinesis.endpoint" $d.name)) -}}
{{- end -}}
{{- if .Values.controlPlane.enabled -}}
  {{- range $i, $broker := .Values.controlPlane.brokers -}}
    {{- include "requireReachable" (list $ "kafka" $broker (printf "controlPlane.brokers[%d]" $i)) -}}
  {{- end -}}
  {{- with .Values.controlPlane.oidc -}}
    {{- include "requireReachable" (list $ "aws" .issuer "controlPlane.oidc.issuer") -}}
  {{- end -}}
  {{- range $n, $source := .Values.controlPlane.sources -}}
    {{- $brokers := dig "kafka" "brokers" list $source -}}
    {{- range $i, $broker := ternary (list $brokers) $brokers (kindIs "string" $brokers) -}}
      {{- include "requireReachable" (list $ "kafka" $broker (printf "controlPlane.sources[%d]: kafka.brokers[%d]" $n $i)) -}}
    {{- end -}}
    {{- range $url := splitList "," (dig "schemaRegistry" "url" "" $source) -}}
      {{- include "requireReachable" (list $ "schemaRegistry" $url (printf "controlPlane.sources[%d]: schemaRegistry.url" $n)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range .Values.env -}}
  {{- $what := printf "env %s" .name -}}
  {{- if has .name (list "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") -}}
    {{- include "requireReachable" (list $ "otlp" (default "" .value) $what) -}}
  {{- else if has .name (list "HTTPS_PROXY" "https_proxy" "HTTP_PROXY" "http_proxy" "AWS_ENDPOINT_URL" "AWS_ENDPOINT_URL_KINESIS" "AWS_ENDPOINT_URL_STS") -}}
    {{- include "requireReachable" (list $ "aws" (default "" .value) $what) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
