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
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "finetune-operator.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
