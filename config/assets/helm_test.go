package assets_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ocigate/config"
)

// These tests specify the objects that Helm makes of the chart. They need helm, and for the
// published schemas what .ci/deploy fetches.

// helmArgs are the arguments for all templates. A helm that go install has built takes the
// oldest version of Kubernetes.
var helmArgs = []string{"--kube-version", "1.33.0", "--namespace", "voice"}

// helm runs a command of Helm for the chart.
func helm(t *testing.T, command string, args ...string) (string, error) {
	t.Helper()
	line := []string{command, chart}
	if command == "template" {
		line = []string{command, "gw", chart}
	}
	out, err := exec.CommandContext(t.Context(), tool(t, "helm"), slices.Concat(line, helmArgs, args)...).CombinedOutput()
	return string(out), err
}

// rendered returns the objects of a release by kind and name, such as Service/gw-ocigate.
func rendered(t *testing.T, args ...string) map[string]object {
	t.Helper()
	out, err := helm(t, "template", args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	found := map[string]object{}
	for _, d := range documents(t, out) {
		name := fmt.Sprintf("%s/%s", d["kind"], at(d, "metadata", "name"))
		if found[name] != nil {
			t.Errorf("%s is there twice", name)
		}
		found[name] = d
	}
	return found
}

func example(name string) []string {
	args := []string{"--values", filepath.Join(chart, "examples", name+".yaml")}
	for file, value := range map[string]string{"rules.yaml": "prometheusRule", "dashboard.json": "dashboard"} {
		if !chartHas(file) {
			args = append(args, "--set", value+".enabled=false")
		}
	}
	return args
}

// releases are the values that are tested.
var releases = map[string][]string{
	"embedded": example("embedded"),
	"replicas": example("replicas"),
	"a trial":  append(example("embedded"), "--set", "secret.existing=", "--set", "secret.data.platform-password=s3cret-platform", "--set", "fullnameOverride=ocigate"),
	"a fixed number of replicas": append(example("replicas"), "--set", "autoscaling.enabled=false", "--set", "replicaCount=3", "--set", "serviceAccount.create=false",
		"--set", "networkPolicy.enabled=false", "--set", "podDisruptionBudget.enabled=false"),
	"a load balancer": append(example("embedded"), "--set", "service.type=LoadBalancer", "--set", "service.port=443", "--set", "config.http.tls.cert_file=/etc/tls/tls.crt", "--set", "config.http.tls.key_file=/etc/tls/tls.key",
		"--set", "nameOverride=gateway", "--set", "serviceMonitor.enabled=true", "--set", "persistence.storageClassName=fast", "--set-string", "service.annotations.example\\.com/a=b", "--set", "resources=null", "--set", "imagePullSecrets[0].name=registry"),
}

func TestChartLints(t *testing.T) {
	for name, args := range releases {
		if out, err := helm(t, "lint", append([]string{"--strict"}, args...)...); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// podTemplate returns the template of the pods, and the object that has it.
func podTemplate(t *testing.T, objects map[string]object) (template any, of object) {
	t.Helper()
	for _, o := range objects {
		if kind := o["kind"]; kind == "Deployment" || kind == "StatefulSet" {
			if of != nil {
				t.Error("there are two kinds of pods")
			}
			of = o
		}
	}
	return at(of, "spec", "template"), of
}

// TestChartPodsAreRestricted checks what the restricted standard for pods asks for, and what
// this program needs.
func TestChartPodsAreRestricted(t *testing.T) {
	for name, args := range releases {
		t.Run(name, func(t *testing.T) {
			pod, _ := podTemplate(t, rendered(t, args...))
			spec := at(pod, "spec")
			container := at(spec, "containers", 0)
			for _, want := range []struct {
				in    any
				path  []any
				value any
			}{
				{spec, []any{"securityContext", "runAsNonRoot"}, true},
				{spec, []any{"securityContext", "runAsUser"}, 65532},
				{spec, []any{"securityContext", "seccompProfile", "type"}, "RuntimeDefault"},
				{spec, []any{"automountServiceAccountToken"}, false},
				{spec, []any{"enableServiceLinks"}, false},
				{spec, []any{"hostNetwork"}, nil},
				{spec, []any{"containers", 1}, nil},
				{container, []any{"securityContext", "allowPrivilegeEscalation"}, false},
				{container, []any{"securityContext", "readOnlyRootFilesystem"}, true},
				{container, []any{"securityContext", "privileged"}, nil},
				{container, []any{"securityContext", "capabilities", "drop"}, []any{"ALL"}},
				{container, []any{"securityContext", "capabilities", "add"}, nil},
				{container, []any{"startupProbe", "httpGet"}, map[string]any{"path": "/livez", "port": "admin"}},
				{container, []any{"livenessProbe", "httpGet"}, map[string]any{"path": "/livez", "port": "admin"}},
				{container, []any{"readinessProbe", "httpGet"}, map[string]any{"path": "/readyz", "port": "admin"}},
			} {
				got := at(want.in, want.path...)
				if o, ok := got.(object); ok {
					got = map[string]any(o)
				}
				if !reflect.DeepEqual(got, want.value) {
					t.Errorf("%v is %v, want %v", want.path, got, want.value)
				}
			}
		})
	}
}

// TestChartSelectorsMatch requires that all that selects pods selects those of the release,
// and that names of ports exist.
func TestChartSelectorsMatch(t *testing.T) {
	for name, args := range releases {
		t.Run(name, func(t *testing.T) {
			objects := rendered(t, args...)
			pod, of := podTemplate(t, objects)
			labels := at(pod, "metadata", "labels")
			selects := func(o object, selector any) {
				t.Helper()
				if o == nil {
					return // it is turned off
				}
				wanted := keysOf(selector)
				if len(wanted) == 0 {
					t.Errorf("%s selects everything", o["kind"])
				}
				for _, key := range wanted {
					if at(labels, key) != at(selector, key) {
						t.Errorf("%s selects %s=%v, and the pods have %v", o["kind"], key, at(selector, key), at(labels, key))
					}
				}
			}
			base := at(of, "metadata", "name").(string)
			selects(of, at(of, "spec", "selector", "matchLabels"))
			for _, service := range []string{base, base + "-admin"} {
				o := objects["Service/"+service]
				selects(o, at(o, "spec", "selector"))
			}
			for kind, path := range map[string]string{"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"} {
				o := objects[kind+"/"+base]
				selects(o, at(o, "spec", path, "matchLabels"))
			}
			selects(of, at(pod, "spec", "topologySpreadConstraints", 0, "labelSelector", "matchLabels"))
			if scaler := objects["HorizontalPodAutoscaler/"+base]; scaler != nil {
				if target := at(scaler, "spec", "scaleTargetRef"); at(target, "kind") != of["kind"] || at(target, "name") != base || at(of, "spec", "replicas") != nil {
					t.Errorf("%v is scaled, and %s %s runs with %v replicas", target, of["kind"], base, at(of, "spec", "replicas"))
				}
				if metric := at(scaler, "spec", "metrics", 0, "pods", "metric", "name"); metric != "ocigate_http_requests_in_flight" {
					t.Errorf("the replicas follow %v", metric)
				}
			}
			if monitor := objects["ServiceMonitor/"+base]; monitor != nil {
				admin := objects["Service/"+base+"-admin"]
				wanted := at(monitor, "spec", "selector", "matchLabels")
				for _, key := range keysOf(wanted) {
					if at(admin, "metadata", "labels", key) != at(wanted, key) || key == "app.kubernetes.io/component" && at(objects["Service/"+base], "metadata", "labels", key) == at(wanted, key) {
						t.Errorf("the monitor selects %s=%v", key, at(wanted, key))
					}
				}
				if at(admin, "spec", "ports", 0, "name") != at(monitor, "spec", "endpoints", 0, "port") {
					t.Error("the monitor scrapes another port")
				}
				// The rules select job=~".*ocigate.*", and the replicas of a job belong together.
				if job := at(monitor, "spec", "endpoints", 0, "relabelings", 1); at(job, "targetLabel") != "job" || at(job, "replacement") != "ocigate/voice/"+base {
					t.Errorf("the job is %v", job)
				}
			}
			if of["kind"] == "StatefulSet" && objects["Service/"+at(of, "spec", "serviceName").(string)] == nil {
				t.Error("the StatefulSet has no service")
			}
			if policy := at(of, "spec", "podManagementPolicy"); of["kind"] == "StatefulSet" && policy != "Parallel" {
				t.Errorf("with the policy %v, an update does not replace a pod that is not ready", policy)
			}
		})
	}
}

func keysOf(of any) []string {
	var keys []string
	for _, key := range reflect.ValueOf(of).MapKeys() {
		keys = append(keys, key.String())
	}
	return keys
}

// TestChartConfigurationIsValid has this program check the configuration in the ConfigMap.
func TestChartConfigurationIsValid(t *testing.T) {
	tool(t, "helm")
	t.Setenv("PORTAL_HASH", strings.TrimSpace(hashOf(t, "portal")))
	for name, args := range releases {
		if name == "a load balancer" {
			continue // its certificate is not there
		}
		t.Run(name, func(t *testing.T) {
			objects := rendered(t, args...)
			pod, of := podTemplate(t, objects)
			base := at(of, "metadata", "name").(string)
			text := at(objects["ConfigMap/"+base], "data", "ocigate.yaml").(string)
			secrets := t.TempDir()
			for file, content := range map[string]string{
				"platform-password": "demo", "token-key": strings.Repeat("k", 44),
				"postgres-url": "postgres://ocigate:secret@db.example.com:5432/ocigate?sslmode=verify-full",
			} {
				write(t, filepath.Join(secrets, file), content)
			}
			file := filepath.Join(secrets, "ocigate.yaml")
			write(t, file, strings.ReplaceAll(text, "/run/secrets/ocigate", secrets))
			if out := run(t, binary(t), "config", "check", "--config", file); !strings.Contains(out, "The configuration is valid.") {
				t.Error(out)
			}
			loaded, err := config.Load(file, []string{"PORTAL_HASH=$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
			if err != nil {
				t.Fatal(err)
			}
			longest := loaded.HTTP.Drain + loaded.HTTP.ShutdownTimeout
			if seconds, ok := at(pod, "spec", "terminationGracePeriodSeconds").(int); !ok || float64(seconds) <= longest.Seconds() {
				t.Errorf("a pod has %v s to stop, and the gateway needs up to %v", seconds, longest)
			}
			if !loaded.Reload.Watch || loaded.HTTP.Listen != ":8080" || loaded.Admin.Listen != ":9090" {
				t.Errorf("%+v %+v %+v", loaded.Reload, loaded.HTTP.Listen, loaded.Admin)
			}
			for name, o := range objects {
				if o["kind"] != "Secret" && strings.Contains(fmt.Sprint(o), "s3cret-") {
					t.Errorf("%s has a secret", name)
				}
			}
		})
	}
}

// hashOf returns the hash of a client's secret.
func hashOf(t *testing.T, secret string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), binary(t), "hash")
	c.Stdin = strings.NewReader(secret)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestChartRestartsOnlyWhenNeeded compares the pods before and after a change.
func TestChartRestartsOnlyWhenNeeded(t *testing.T) {
	before, _ := podTemplate(t, rendered(t, example("replicas")...))
	for change, restarts := range map[string]bool{
		"config.platform.pool.max=12": false, "config.log.level=debug": false, "ports.api=8443": true, "config.journal.settle=20s": true,
		"config.http.drain=20s": true, "config.http.shutdown_timeout=2m": true, "config.http.request_timeout=20s": false,
	} {
		after, _ := podTemplate(t, rendered(t, append(example("replicas"), "--set", change)...))
		if changed := !reflect.DeepEqual(before, after); changed != restarts {
			t.Errorf("%s changes the pods: %v", change, changed)
		}
	}
}

// TestChartRefuses has the values that Helm must refuse, and a part of the message.
func TestChartRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no endpoint":                  {nil, "config.platform.endpoints is empty"},
		"an address without a port":    {append(example("embedded"), "--set", "config.platform.endpoints[0].address=ocs1.example.com"), "the address ocs1.example.com has no port"},
		"replicas without one journal": {append(example("embedded"), "--set", "replicaCount=2"), "several replicas need one journal: set config.journal.store to postgres"},
		"scaling without one journal":  {append(example("embedded"), "--set", "autoscaling.enabled=true"), "several replicas need one journal"},
		"replicas with random keys":    {append(example("embedded"), "--set", "config.journal.store=postgres", "--set", "config.journal.postgres_url.env=URL", "--set", "replicaCount=2"), "config.auth.tokens.keys is empty"},
		"a journal without an address": {append(example("embedded"), "--set", "config.journal.store=postgres"), "config.journal.postgres_url is missing"},
		"more sessions than permitted": {append(example("replicas"), "--set", "platformSessions=119"), "4 replicas, with one more during an update of several, have up to 120 sessions"},
		"a listener of the chart":      {append(example("embedded"), "--set", "config.admin.listen=:1234"), "the chart sets config.http.listen"},
		"the same port twice":          {append(example("embedded"), "--set", "ports.api=9090"), "ports.api and ports.admin are the same"},
		"two sources of secrets":       {append(example("embedded"), "--set", "secret.data.a=b"), "not both"},
		"an ingress without a host":    {append(example("embedded"), "--set", "ingress.enabled=true"), "ingress.host is missing"},
		"fewer at most than at least":  {append(example("replicas"), "--set", "autoscaling.minReplicas=5"), "autoscaling.minReplicas is greater"},
		"a secret as a text":           {append(example("embedded"), "--set", "config.platform.password=demo"), "/config/platform/password': got string, want object"},
		"a secret of a client":         {append(example("embedded"), "--set", "config.auth.clients[0].hash=demo"), "/config/auth/clients/0/hash': got string, want object"},
		"an unknown value":             {append(example("embedded"), "--set", "replicas=2"), "additional properties 'replicas' not allowed"},
		"an unknown value inside":      {append(example("embedded"), "--set", "image.name=x"), "/image': additional properties 'name' not allowed"},
		"a port that needs privileges": {append(example("embedded"), "--set", "ports.api=443"), "/ports/api': minimum: got 443, want 1,024"},
		"a number that is a text":      {append(example("embedded"), "--set-string", "replicaCount=1"), "/replicaCount': got string, want integer"},
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := helm(t, "template", test.args...); err == nil || !strings.Contains(out, test.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
