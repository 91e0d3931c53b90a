{{/* Labels of everything; call with (dict "root" $ "component" "gateway"). */}}
{{- define "horos.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "horos.selector" . }}
{{- end -}}

{{/* The labels that select a component's pods; they never change in the life of a release. */}}
{{- define "horos.selector" -}}
app.kubernetes.io/name: horos
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The name of cluster-wide objects: two releases never share one. */}}
{{- define "horos.clusterName" -}}
{{ printf "horos-%s-%s" .Release.Namespace .Release.Name }}
{{- end -}}

{{- define "horos.install" -}}
{{ .Values.install | default (printf "%s-%s" .Release.Namespace .Release.Name) }}
{{- end -}}

{{/* "true" when the chart brings its own Redis, else empty. */}}
{{- define "horos.redis.bundled" -}}
{{- if not (or .Values.redis.external.url .Values.redis.external.secretName) }}true{{ end -}}
{{- end -}}

{{- define "horos.redis.address" -}}
horos-redis.{{ .Release.Namespace }}.svc:6379
{{- end -}}

{{/* The address of Redis for the operator, as an environment variable's value; it adds the password by itself. */}}
{{- define "horos.redis.externalSource" -}}
{{- if .Values.redis.external.secretName -}}
valueFrom:
  secretKeyRef: {name: {{ .Values.redis.external.secretName }}, key: url}
{{- else -}}
value: {{ .Values.redis.external.url | quote }}
{{- end -}}
{{- end -}}

{{- define "horos.model.baseUrl" -}}
{{- if .Values.model.baseUrl -}}
{{ .Values.model.baseUrl }}
{{- else if .Values.localModel.enabled -}}
http://horos-model.{{ .Release.Namespace }}.svc:8080/v1
{{- end -}}
{{- end -}}

{{/* "true" when the local model is the default model, else empty. */}}
{{- define "horos.model.isLocal" -}}
{{- if and .Values.localModel.enabled (not .Values.model.baseUrl) }}true{{ end -}}
{{- end -}}

{{/* The default model's numbers: what the values say, else what the local model has; empty when nobody says. */}}
{{- define "horos.model.name" -}}
{{ .Values.model.name | default (ternary "smollm2-135m-instruct" "" (eq (include "horos.model.isLocal" .) "true")) }}
{{- end -}}

{{- define "horos.model.contextWindowTokens" -}}
{{- with .Values.model.contextWindowTokens | default (ternary .Values.localModel.contextTokens 0 (eq (include "horos.model.isLocal" .) "true")) }}{{ int . }}{{ end -}}
{{- end -}}

{{- define "horos.model.maxOutputTokens" -}}
{{- with .Values.model.maxOutputTokens | default (ternary (div .Values.localModel.contextTokens 8) 0 (eq (include "horos.model.isLocal" .) "true")) }}{{ int . }}{{ end -}}
{{- end -}}

{{/* "true" when the chart makes ModelConfigs: helm can only do so where the cluster knows the kind already. */}}
{{- define "horos.modelConfigs" -}}
{{- if and .Values.model.configNamespaces (.Capabilities.APIVersions.Has "horos.dev/v1alpha1/ModelConfig") }}true{{ end -}}
{{- end -}}

{{/* CEL: each reference to a Secret in an object of ours, as lists of maps; call with the expression of the object. */}}
{{- define "horos.secretRefs" -}}
[
  [
    ?{{ . }}.spec.?apiKeySecretRef.?name.optMap(name, {
      'at': 'spec.apiKeySecretRef', 'secret': string(name), 'to': string({{ . }}.spec.?baseUrl.orValue(''))}),
    ?{{ . }}.spec.?headersSecretRef.?name.optMap(name, {
      'at': 'spec.headersSecretRef', 'secret': string(name), 'to': string({{ . }}.spec.?url.orValue(''))}),
    ?{{ . }}.spec.?oauthSecretRef.?name.optMap(name, {
      'at': 'spec.oauthSecretRef', 'secret': string(name), 'to': string({{ . }}.spec.?url.orValue(''))}),
    ?{{ . }}.spec.?model.?apiKeySecretRef.?name.optMap(name, {
      'at': 'spec.model.apiKeySecretRef', 'secret': string(name),
      'to': string({{ . }}.spec.model.?baseUrl.orValue({{ . }}.spec.model.?configName.orValue('')))}),
  ],
  {{ . }}.spec.?model.?fallbacks.orValue([]).map(fallback, has(fallback.apiKeySecretRef), {
    'at': 'spec.model.fallbacks[].apiKeySecretRef', 'secret': string(fallback.apiKeySecretRef.name),
    'to': string(fallback.?baseUrl.orValue(fallback.?configName.orValue('')))}),
  {{ . }}.spec.?env.orValue([]).map(env, env.?valueFrom.?secretKeyRef.hasValue(), {
    'at': 'spec.env[' + string(env.name) + '].valueFrom.secretKeyRef',
    'secret': string(env.valueFrom.secretKeyRef.name), 'to': ''}),
  {{ . }}.spec.?imagePullSecrets.orValue([]).map(pull, {
    'at': 'spec.imagePullSecrets', 'secret': string(pull.name), 'to': ''}),
]
+ {{ . }}.spec.?tools.?servers.orValue([]).map(server,
  [
    ?server.?headersSecretRef.?name.optMap(name, {
      'at': 'spec.tools.servers[' + string(server.name) + '].headersSecretRef', 'secret': string(name),
      'to': string(server.?url.orValue(''))}),
    ?server.?oauthSecretRef.?name.optMap(name, {
      'at': 'spec.tools.servers[' + string(server.name) + '].oauthSecretRef', 'secret': string(name),
      'to': string(server.?url.orValue(''))}),
  ]
  + server.?env.orValue([]).map(env, env.?valueFrom.?secretKeyRef.hasValue(), {
    'at': 'spec.tools.servers[' + string(server.name) + '].env[' + string(env.name) + '].valueFrom.secretKeyRef',
    'secret': string(env.valueFrom.secretKeyRef.name), 'to': ''}))
{{- end -}}

{{/* What every pod of the chart has; call with (dict "root" $ "of" .Values.gateway). */}}
{{- define "horos.pod" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .of.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every container of the chart has, so that the namespace may enforce Pod Security `restricted`. */}}
{{- define "horos.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a pod tells its metrics, for those who look at annotations. */}}
{{- define "horos.scraped" -}}
{{- if .Values.metrics.annotations -}}
annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8081", prometheus.io/path: /metrics}
{{- end -}}
{{- end -}}

{{/* Who may read metrics, as the peers of a NetworkPolicy. */}}
{{- define "horos.scrapers" -}}
- namespaceSelector:
    {{- with .Values.metrics.scraperNamespaceLabels }}
    matchLabels: {{- toYaml . | nindent 6 }}
    {{- else }} {}
    {{- end }}
{{- end -}}
