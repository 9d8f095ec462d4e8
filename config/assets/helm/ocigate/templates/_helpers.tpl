{{- define "ocigate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "ocigate.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "ocigate.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "ocigate.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "ocigate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ocigate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ocigate.labels" -}}
{{ include "ocigate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "ocigate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "ocigate.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "ocigate.secretName" -}}
{{- if .Values.secret.existing }}
{{- .Values.secret.existing }}
{{- else if .Values.secret.data }}
{{- include "ocigate.fullname" . }}
{{- end }}
{{- end }}

{{/* The store of the journal: embedded or postgres. */}}
{{- define "ocigate.store" -}}
{{- dig "journal" "store" "embedded" .Values.config }}
{{- end }}

{{/* The configuration with what the chart sets, as YAML. */}}
{{- define "ocigate.config" -}}
{{- $config := mergeOverwrite (dict "reload" (dict "watch" true)) (deepCopy .Values.config) }}
{{- $set := dict "http" (dict "listen" (printf ":%d" (int .Values.ports.api))) "admin" (dict "listen" (printf ":%d" (int .Values.ports.admin))) }}
{{- if eq (include "ocigate.store" .) "embedded" }}
{{- $_ := set $set "journal" (dict "folder" "/var/lib/ocigate/journal") }}
{{- end }}
{{- mergeOverwrite $config $set | toYaml }}
{{- end }}

{{/* The seconds of a duration such as 1m30s. */}}
{{- define "ocigate.seconds" -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 }}
{{- $sum := 0.0 }}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" (toString .) -1 }}
{{- $unit := regexFind "[a-z]+" . }}
{{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (get $units $unit)) }}
{{- end }}
{{- ceil $sum }}
{{- end }}

{{/* How long a pod may take to stop: longer than the drain and the stop of the gateway. */}}
{{- define "ocigate.stopSeconds" -}}
{{- $drain := include "ocigate.seconds" (dig "http" "drain" "5s" .Values.config) | int }}
{{- $stop := include "ocigate.seconds" (dig "http" "shutdown_timeout" "1m" .Values.config) | int }}
{{- add $drain $stop 5 }}
{{- end }}

{{/* Fails with a message if the values do not fit together. */}}
{{- define "ocigate.validate" -}}
{{- $config := .Values.config }}
{{- if not (dig "platform" "endpoints" list $config) }}
{{- fail "config.platform.endpoints is empty: give at least one endpoint of the platform, such as {name: primary, address: \"ocs1.example.com:2209\"}" }}
{{- end }}
{{- range dig "platform" "endpoints" list $config }}
{{- if not (regexMatch ":[0-9]+$" (toString .address)) }}
{{- fail (printf "config.platform.endpoints: the address %v has no port, such as 2209" .address) }}
{{- end }}
{{- end }}
{{- if or (dig "http" "listen" "" $config) (dig "admin" "listen" "" $config) (dig "journal" "folder" "" $config) }}
{{- fail "the chart sets config.http.listen, config.admin.listen and config.journal.folder: remove them, and set ports.api, ports.admin and persistence instead" }}
{{- end }}
{{- if eq (int .Values.ports.api) (int .Values.ports.admin) }}
{{- fail "ports.api and ports.admin are the same" }}
{{- end }}
{{- if and .Values.secret.existing .Values.secret.data }}
{{- fail "give secret.existing or secret.data, not both" }}
{{- end }}
{{- if eq (include "ocigate.store" .) "embedded" }}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}
{{- fail "several replicas need one journal: set config.journal.store to postgres, or replicaCount to 1 and autoscaling.enabled to false" }}
{{- end }}
{{- else if not (dig "journal" "postgres_url" "" $config) }}
{{- fail "config.journal.postgres_url is missing, such as {file: /run/secrets/ocigate/postgres-url}" }}
{{- end }}
{{- $replicas := int .Values.replicaCount }}
{{- if .Values.autoscaling.enabled }}
{{- $replicas = int .Values.autoscaling.maxReplicas }}
{{- if gt (int .Values.autoscaling.minReplicas) $replicas }}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" }}
{{- end }}
{{- end }}
{{- if and (gt $replicas 1) (not (dig "auth" "tokens" "keys" list $config)) }}
{{- fail "config.auth.tokens.keys is empty: several replicas need the same keys, or each refuses the tokens of the others" }}
{{- end }}
{{- /* The old pod of a StatefulSet stops before the new one starts. */}}
{{- $surge := ternary 0 1 (eq (include "ocigate.store" .) "embedded") }}
{{- $each := add (dig "platform" "pool" "max" 8 $config | int) (dig "auth" "throttle" "concurrent" 8 $config | int) }}
{{- $all := mul $each (add $replicas $surge) | int }}
{{- if and (gt (int .Values.platformSessions) 0) (gt $all (int .Values.platformSessions)) }}
{{- fail (printf "%d replicas, with one more during an update of several, have up to %d sessions with the platform (config.platform.pool.max and config.auth.throttle.concurrent of each), and platformSessions is %d: lower these, or run fewer replicas" $replicas $all (int .Values.platformSessions)) }}
{{- end }}
{{- end }}

{{/* The pod: the same for both kinds of journal. */}}
{{- define "ocigate.pod" -}}
metadata:
  labels:
    {{- include "ocigate.selectorLabels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Only what a running gateway does not read again changes it.
    checksum/restart: {{ printf "%s %s" (toJson .Values.ports) (dig "journal" dict .Values.config | toJson) | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "ocigate.serviceAccountName" . }}
  automountServiceAccountToken: false
  # The variables of services would begin with OCIGATE_, and ocigate refuses variables of
  # that prefix that it does not have.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "ocigate.stopSeconds" . }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: ocigate
      image: "{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/ocigate/ocigate.yaml]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      ports:
        - name: api
          containerPort: {{ .Values.ports.api }}
        - name: admin
          containerPort: {{ .Values.ports.admin }}
      {{- with .Values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      # Two minutes for a start on a busy node.
      startupProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      # It does not depend on the platform, which all replicas would lose at the same time.
      # There is no preStop hook: http.drain does what one would be for.
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 1
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        # Whole folders: files that are mounted alone (subPath) are never updated.
        - name: config
          mountPath: /etc/ocigate
          readOnly: true
        {{- if include "ocigate.secretName" . }}
        - name: secrets
          mountPath: /run/secrets/ocigate
          readOnly: true
        {{- end }}
        {{- if eq (include "ocigate.store" .) "embedded" }}
        - name: journal
          mountPath: /var/lib/ocigate
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "ocigate.fullname" . }}
    {{- with include "ocigate.secretName" . }}
    - name: secrets
      secret:
        secretName: {{ . }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{ toYaml . | nindent 6 | trim }}
      labelSelector:
        matchLabels:
          {{- include "ocigate.selectorLabels" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
{{- end }}
