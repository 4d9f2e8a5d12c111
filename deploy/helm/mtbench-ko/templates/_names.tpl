{{/* 38 characters at most: with a hash of 8 the name of a Job or RayJob keeps within KubeRay's 47. */}}
{{- define "mtbench-ko.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 38 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 38 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 38 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "mtbench-ko.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mtbench-ko.labels" -}}
{{- $own := merge (fromYaml (include "mtbench-ko.selector" .)) (dict
      "app.kubernetes.io/version" (.Values.image.tag | default .Chart.AppVersion | replace "+" "_" | trunc 63)
      "app.kubernetes.io/managed-by" .Release.Service
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63)) -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{- define "mtbench-ko.metadata" -}}
labels: {{- include "mtbench-ko.labels" .root | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Of the Job or RayJob alone: Kueue reads its queue here. */}}
{{- define "mtbench-ko.jobMetadata" -}}
{{- $queue := dict -}}
{{- with .Values.kueue.queueName }}{{ $_ := set $queue "kueue.x-k8s.io/queue-name" . }}{{ end -}}
{{- with .Values.kueue.priorityClassName }}{{ $_ := set $queue "kueue.x-k8s.io/priority-class" . }}{{ end -}}
labels: {{- toYaml (merge (fromYaml (include "mtbench-ko.labels" .)) $queue .Values.jobLabels) | nindent 2 }}
{{- with merge (dict) .Values.jobAnnotations .Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The component tells these pods from the submitter's and the doctor's, which are no part of the work. */}}
{{- define "mtbench-ko.podMetadata" -}}
labels: {{- toYaml (merge (fromYaml (include "mtbench-ko.labels" .)) (dict "app.kubernetes.io/component" "work") .Values.podLabels) | nindent 2 }}
annotations: {{- toYaml (merge (dict "checksum/config" (include "mtbench-ko.settings" . | sha256sum)) .Values.podAnnotations .Values.commonAnnotations) | nindent 2 }}
{{- end -}}

{{- define "mtbench-ko.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end -}}

{{- define "mtbench-ko.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "mtbench-ko.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "mtbench-ko.outputClaim" -}}
{{- .Values.output.persistence.existingClaim | default (printf "%s-output" (include "mtbench-ko.fullname" .)) -}}
{{- end -}}

{{- define "mtbench-ko.cacheClaim" -}}
{{- .Values.cache.existingClaim | default (ternary (printf "%s-cache" (include "mtbench-ko.fullname" .)) "" .Values.cache.create) -}}
{{- end -}}

{{- define "mtbench-ko.pods" -}}
{{- ternary 1 (int .Values.nodes) (eq .Values.mode "job") -}}
{{- end -}}

{{/* The program's run.yaml. */}}
{{- define "mtbench-ko.settings" -}}
{{- toYaml (merge (dict "output" (.Values.output.url | default "/output")) .Values.config) -}}
{{- end -}}

{{- define "mtbench-ko.graceSeconds" -}}
{{- dig "grace_seconds" 30 .Values.config -}}
{{- end -}}
