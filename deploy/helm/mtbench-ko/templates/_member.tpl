{{/* A container with GPUs that runs the program; of a pod among several, it is that pod's part of a Ray cluster. */}}
{{- define "mtbench-ko.member" -}}
{{- $ := .root -}}
{{- include "mtbench-ko.container" $ }}
{{- if ne $.Values.mode "job" }}
command: [python, /etc/mtbench-ko/ray_pod.py, mtbench-ko]
ports:
  - {name: ray, containerPort: 6379}
  - {name: end, containerPort: 6380}
{{- end }}
args: [{{ .command }}, --config, /etc/mtbench-ko/run.yaml]
env:
  {{- if ne $.Values.mode "job" }}
  - name: JOB_NAME
    valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}
  - name: POD_IP
    valueFrom: {fieldRef: {fieldPath: status.podIP}}
  - {name: RAY_PODS, value: {{ include "mtbench-ko.pods" $ | quote }}}
  - {name: RAY_HEAD, value: $(JOB_NAME)-0.{{ include "mtbench-ko.fullname" $ }}}
  - {name: GRACE_SECONDS, value: {{ include "mtbench-ko.graceSeconds" $ | quote }}}
  - {name: RAY_AUTH_MODE, value: {{ ternary "token" "disabled" (ne $.Values.rayToken.secretName "") }}}
  {{- with $.Values.rayToken.secretName }}
  - name: RAY_AUTH_TOKEN
    valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.Values.rayToken.secretKey }}}}
  {{- end }}
  {{- end }}
  {{- include "mtbench-ko.env" $ | nindent 2 }}
resources: {{- include "mtbench-ko.resources" $ | nindent 2 }}
{{- end -}}
