{{/* What no schema can say. Every message begins with the key to change. */}}
{{- define "mtbench-ko.checks" -}}
{{- $grace := include "mtbench-ko.graceSeconds" . | int -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add $grace 10 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is too short: config.grace_seconds is %d, and saving takes some seconds more; make it %d or more" (int .Values.terminationGracePeriodSeconds) $grace (add $grace 10)) -}}
{{- end -}}
{{- if and (eq .Values.mode "indexed") (semverCompare "<1.31.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "mode: indexed needs a Job's successPolicy, which Kubernetes %s does not have (1.31 does); use job or rayjob" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- $claim := .Values.output.persistence -}}
{{- if and (ne .Values.mode "job") (not (or .Values.output.url $claim.existingClaim (has "ReadWriteMany" $claim.accessModes))) -}}
{{- fail (printf "output.persistence.accessModes: %s, and in mode %s pods of several nodes mount the claim; it needs ReadWriteMany, or set output.url" (join ", " $claim.accessModes) .Values.mode) -}}
{{- end -}}
{{- $gpus := mul (int .Values.gpu.count) (include "mtbench-ko.pods" . | int) -}}
{{- range list "num_gpus_per_model" "num_gpus_total" "judge_num_gpus" -}}
{{- $asked := index $.Values.config . | default 0 | int -}}
{{- if and (gt $asked (int $gpus)) (not $.Values.resourceClaims) -}}
{{- fail (printf "config.%s: %d, and all pods together have %d GPUs (gpu.count x nodes)" . $asked $gpus) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and .value (or (regexMatch "(?i)((^|_)(token|key)|api_?key|secret|password)$" .name) (regexMatch "://[^/]*@" .value)) -}}
{{- fail (printf "extraEnv.%s: a secret does not belong there; name its place under keys" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
