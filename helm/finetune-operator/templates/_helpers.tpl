{{- define "finetune-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "finetune-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "finetune-operator.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "finetune-operator.labels" -}}
{{ include "finetune-operator.selectorLabels" . }}
{{ include "finetune-operator.commonLabels" . }}
{{- end -}}

{{- define "finetune-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "finetune-operator.fullname" .) -}}
{{- end -}}

{{- define "finetune-operator.store.name" -}}
{{- printf "%s-store" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "finetune-operator.store.secretName" -}}
{{- .Values.store.existingSecret | default (include "finetune-operator.store.name" .) -}}
{{- end -}}

{{- define "finetune-operator.store.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: store
{{- end -}}

{{- define "finetune-operator.ui.name" -}}
{{- printf "%s-ui" (include "finetune-operator.fullname" .) -}}
{{- end -}}

{{- define "finetune-operator.ui.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: ui
{{- end -}}

{{- define "finetune-operator.store.endpoint" -}}
{{- printf "http://%s.%s.svc:8333" (include "finetune-operator.store.name" .) .Release.Namespace -}}
{{- end -}}

{{/* The default store as the JSON of spec.storage; nothing where there is none. */}}
{{- define "finetune-operator.defaultStorage" -}}
{{- if .Values.storage -}}
{{- toJson .Values.storage -}}
{{- else if .Values.store.enabled -}}
{{- dict
      "endpoint" (include "finetune-operator.store.endpoint" .)
      "bucket" .Values.store.bucket
      "region" "us-east-1"
      "secretRef" (dict "name" (include "finetune-operator.store.secretName" .))
    | toJson -}}
{{- end -}}
{{- end -}}

{{/* What operator, store and web page get; none needs any privilege. */}}
{{- define "finetune-operator.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.podSecurityContext }}
{{- toYaml . | nindent 0 }}
{{- if .fsGroup }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Of an image of the values; `default` is the tag where it has none. */}}
{{- define "finetune-operator.image" -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .default) -}}
{{- with .image.digest -}}@{{ . }}{{- end -}}
{{- end -}}

{{/* The variables of the proxy as JSON, empty without one; what is inside the cluster is reached without it. */}}
{{- define "finetune-operator.proxy" -}}
{{- $env := dict -}}
{{- with .Values.proxy.https }}{{ $_ := set $env "HTTPS_PROXY" . }}{{ end -}}
{{- with .Values.proxy.http }}{{ $_ := set $env "HTTP_PROXY" . }}{{ end -}}
{{- if $env }}
{{- $inside := list "localhost" "127.0.0.1" ".svc" ".cluster.local" -}}
{{- $_ := set $env "NO_PROXY" (join "," (concat $inside .Values.proxy.direct)) -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* The same as environment of the operator and the page, which ask the API server too; the chart's env wins. */}}
{{- define "finetune-operator.proxyEnv" -}}
{{- range $name, $value := include "finetune-operator.proxy" . | fromJson }}
- name: {{ $name }}
  value: {{ ternary (printf "%s,$(KUBERNETES_SERVICE_HOST)" $value) $value (eq $name "NO_PROXY") | quote }}
{{- end }}
{{- end -}}

{{/* What the operator is told of the pods that it makes; what a user emptied (null) is sent as empty. */}}
{{- define "finetune-operator.pods" -}}
{{- $pods := .Values.pods -}}
{{- dict
      "templatePolicy" $pods.templatePolicy
      "training" ($pods.training | default dict)
      "rayHead" ($pods.rayHead | default dict)
      "report" ($pods.report | default dict)
      "resolve" ($pods.resolve | default dict)
      "publish" ($pods.publish | default dict)
      "userIds" (.Values.podSecurityContext | default dict)
      "env" (include "finetune-operator.proxy" . | fromJson)
    | toJson -}}
{{- end -}}

{{- define "finetune-operator.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
