{{/* What no schema can say. Every message begins with the key to change. */}}
{{- define "mtbench-ko.checks" -}}
{{- $grace := .Values.config.grace_seconds | default 30 | int -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add $grace 10 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is too short: config.grace_seconds is %d, and saving takes some seconds more; make it %d or more" (int .Values.terminationGracePeriodSeconds) $grace (add $grace 10)) -}}
{{- end -}}
{{- if and (eq .Values.mode "indexed") (semverCompare "<1.31.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "mode: indexed needs a Job's successPolicy, which Kubernetes %s does not have (1.31 does); use job or rayjob" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- $gpus := mul (int .Values.gpu.count) (include "mtbench-ko.pods" . | int) -}}
{{- range list "num_gpus_per_model" "num_gpus_total" "judge_num_gpus" -}}
{{- $asked := index $.Values.config . | default 0 | int -}}
{{- if and (gt $asked (int $gpus)) (not $.Values.resourceClaims) -}}
{{- fail (printf "config.%s: %d, and all pods together have %d GPUs (gpu.count x nodes)" . $asked $gpus) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and .value (or (regexMatch "(?i)(key|token|secret|password)" .name) (regexMatch "://[^/]*@" .value)) -}}
{{- fail (printf "extraEnv.%s: a secret does not belong there; name its place under keys" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
