{{/* What every container of ours has. */}}
{{- define "mtbench-ko.container" -}}
image: {{ include "mtbench-ko.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - {name: settings, mountPath: /etc/mtbench-ko, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {name: shm, mountPath: /dev/shm}
  - {name: cache, mountPath: /cache}
  {{- if not .Values.output.url }}
  - {name: output, mountPath: /output}
  {{- end }}
  {{- if .Values.models.existingClaim }}
  - {name: models, mountPath: {{ .Values.models.mountPath | quote }}, readOnly: true}
  {{- end }}
  {{- if .Values.caBundle.configMapName }}
  - {name: ca-bundle, mountPath: /etc/mtbench-ko-ca, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{- define "mtbench-ko.env" -}}
- {name: HOME, value: /cache}
- {name: HF_HOME, value: /cache/huggingface}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
- {name: RAY_process_group_cleanup_enabled, value: "1"}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
{{- if .Values.offline }}
- {name: HF_HUB_OFFLINE, value: "1"}
- {name: TRANSFORMERS_OFFLINE, value: "1"}
{{- end }}
{{- if .Values.caBundle.configMapName }}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "AWS_CA_BUNDLE" }}
- {name: {{ . }}, value: {{ printf "/etc/mtbench-ko-ca/%s" $.Values.caBundle.key | quote }}}
{{- end }}
{{- end }}
{{- range $name, $place := .Values.keys }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      {{- if kindIs "string" $place }}
      name: {{ include "mtbench-ko.fullname" $ }}-keys
      key: {{ $name }}
      {{- else }}
      name: {{ $place.secretName }}
      key: {{ $place.secretKey }}
      {{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The resources of a pod that has GPUs. */}}
{{- define "mtbench-ko.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if .Values.gpu.count -}}
{{- $gpus := dict .Values.gpu.resourceName (int .Values.gpu.count) -}}
{{- $_ := set $resources "limits" (merge $gpus ($resources.limits | default dict)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* What every pod of ours has, besides its containers. */}}
{{- define "mtbench-ko.pod" -}}
serviceAccountName: {{ include "mtbench-ko.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ int64 .Values.terminationGracePeriodSeconds }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $field := list "runtimeClassName" "priorityClassName" "schedulerName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "resourceClaims" }}
{{- with index $.Values $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
volumes:
  - name: settings
    configMap:
      name: {{ include "mtbench-ko.fullname" . }}
  - name: tmp
    emptyDir: {sizeLimit: {{ .Values.tmpSize }}}
  - name: shm
    emptyDir: {medium: Memory, sizeLimit: {{ .Values.shmSize }}}
  - name: cache
    {{- with include "mtbench-ko.cacheClaim" . }}
    persistentVolumeClaim: {claimName: {{ . }}}
    {{- else }}
    emptyDir: {}
    {{- end }}
  {{- if not .Values.output.url }}
  - name: output
    persistentVolumeClaim: {claimName: {{ include "mtbench-ko.outputClaim" . }}}
  {{- end }}
  {{- with .Values.models.existingClaim }}
  - name: models
    persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}
  {{- end }}
  {{- with .Values.caBundle.configMapName }}
  - name: ca-bundle
    configMap: {name: {{ . }}}
  {{- end }}
  {{- with .Values.extraVolumes }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{/*
The pod that works before an upgrade ends may still be saving when the next one starts: the writer waits for its lock.
A bucket needs no waiting, a newer writer fences the older one.
*/}}
{{- define "mtbench-ko.initContainers" -}}
{{- if not .Values.output.url }}
- name: wait-for-output
  {{- include "mtbench-ko.container" . | nindent 2 }}
  command: [sh, -c]
  args:
    - >-
      [ "${JOB_COMPLETION_INDEX:-0}" = 0 ] || exit 0;
      mkdir -p /output/_state && exec flock --wait {{ add .Values.terminationGracePeriodSeconds 60 }} /output/_state/lock true
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {memory: 64Mi}
{{- end }}
{{- with .Values.extraInitContainers }}
{{ toYaml . }}
{{- end }}
{{- end -}}
