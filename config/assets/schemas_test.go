package assets_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// These tests validate objects with the schemas that their projects publish, strictly: a
// key that a schema does not have is an error.

// kubernetesSchemas has the schemas of Kubernetes' own objects and of the Prometheus
// operator's.
type kubernetesSchemas struct {
	compiler *jsonschema.Compiler
	kinds    map[string]string // address of each schema, by version and kind
}

// The variables with the folders of published schemas: the modules k8s.io/kubernetes and
// github.com/prometheus-operator/prometheus-operator.
const (
	kubernetesFolder = "KUBERNETES_SOURCE"
	operatorFolder   = "PROMETHEUS_OPERATOR_SOURCE"
)

func newKubernetesSchemas(t *testing.T) *kubernetesSchemas {
	t.Helper()
	s := &kubernetesSchemas{jsonschema.NewCompiler(), map[string]string{}}
	const address = "file:///kubernetes.json"
	all, err := jsonschema.UnmarshalJSON(strings.NewReader(read(t, filepath.Join(folderOf(t, kubernetesFolder), "api/openapi-spec/swagger.json"))))
	if err != nil {
		t.Fatal(err)
	}
	definitions := at(all, "definitions").(map[string]any)
	for name, d := range definitions {
		refuseUnknown(d)
		kinds, _ := at(d, "x-kubernetes-group-version-kind").([]any)
		if len(kinds) == 1 {
			s.kinds[strings.TrimPrefix(fmt.Sprintf("%s/%s %s", at(kinds[0], "group"), at(kinds[0], "version"), at(kinds[0], "kind")), "/")] = address + "#/definitions/" + name
		}
	}
	// These have a form of their own in JSON.
	definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = map[string]any{"type": []any{"integer", "string"}}
	definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = map[string]any{"type": []any{"number", "string"}}
	s.add(t, address, map[string]any{"definitions": definitions})
	for _, kind := range []string{"servicemonitors", "prometheusrules"} {
		text := read(t, filepath.Join(folderOf(t, operatorFolder), "example/prometheus-operator-crd/monitoring.coreos.com_"+kind+".yaml"))
		spec := documents(t, text)[0]["spec"]
		schema := at(spec, "versions", 0, "schema", "openAPIV3Schema")
		refuseUnknown(schema)
		address := "file:///" + kind + ".json"
		s.add(t, address, plain(schema))
		s.kinds[fmt.Sprintf("%s/%s %s", at(spec, "group"), at(spec, "versions", 0, "name"), at(spec, "names", "kind"))] = address
	}
	return s
}

func (s *kubernetesSchemas) add(t *testing.T, address string, schema any) {
	t.Helper()
	if err := s.compiler.AddResource(address, schema); err != nil {
		t.Fatal(err)
	}
}

// refuseUnknown makes a schema refuse keys that it does not have.
func refuseUnknown(schema any) {
	switch schema := schema.(type) {
	case object:
		refuseUnknown(map[string]any(schema))
	case map[string]any:
		_, has := schema["properties"].(map[string]any)
		_, has2 := schema["properties"].(object)
		if (has || has2) && schema["additionalProperties"] == nil && schema["x-kubernetes-preserve-unknown-fields"] == nil {
			schema["additionalProperties"] = false
		}
		for _, inner := range schema {
			refuseUnknown(inner)
		}
	case []any:
		for _, inner := range schema {
			refuseUnknown(inner)
		}
	}
}

// plain returns a YAML value as one of JSON.
func plain(of any) any {
	switch of := of.(type) {
	case object:
		return plain(map[string]any(of))
	case map[string]any:
		m := map[string]any{}
		for key, inner := range of {
			m[key] = plain(inner)
		}
		return m
	case []any:
		list := []any{}
		for _, inner := range of {
			list = append(list, plain(inner))
		}
		return list
	}
	return of
}

// validate returns why an object is not valid.
func (s *kubernetesSchemas) validate(o object) error {
	kind := fmt.Sprintf("%s %s", o["apiVersion"], o["kind"])
	address, known := s.kinds[kind]
	if !known {
		return fmt.Errorf("there is no schema for %s", kind)
	}
	schema, err := s.compiler.Compile(address)
	if err != nil {
		return err
	}
	return schema.Validate(plain(o))
}

func TestChartObjectsMatchTheSchemas(t *testing.T) {
	schemas := newKubernetesSchemas(t)
	kinds := map[string]bool{}
	for name, args := range releases {
		for object, o := range rendered(t, args...) {
			kinds[o["kind"].(string)] = true
			if err := schemas.validate(o); err != nil {
				t.Errorf("%s: %s: %v", name, object, err)
			}
			if at(o, "metadata", "namespace") != nil {
				t.Errorf("%s: %s has a namespace of its own", name, object)
			}
		}
	}
	for _, kind := range []string{
		"ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "PrometheusRule", "Secret", "Service", "ServiceAccount", "ServiceMonitor", "StatefulSet",
	} {
		if !kinds[kind] && (kind != "PrometheusRule" || chartHas("rules.yaml")) {
			t.Errorf("no release has a %s", kind)
		}
	}
}

// TestSchemasRefuseMistakes requires that the validation finds what Kubernetes would refuse.
func TestSchemasRefuseMistakes(t *testing.T) {
	schemas := newKubernetesSchemas(t)
	for mistake, yaml := range map[string]string{
		"a misspelled key":       "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {selectors: {a: b}}}",
		"a misspelled key below": "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {selector: {}, template: {spec: {containers: [{name: a, securityContext: {readOnlyRootFileSystem: true}}]}}}}",
		"a text for a number":    "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a}, spec: {selector: {matchLabels: {a: 1}}}}",
		"an old version":         "{apiVersion: autoscaling/v2beta2, kind: HorizontalPodAutoscaler, metadata: {name: a}}",
		"a missing key":          "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {minReplicas: 1}}",
		"one of the operator's":  "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {selector: {}, endpoints: [{ports: a}]}}",
		"a rule without expr":    "{apiVersion: monitoring.coreos.com/v1, kind: PrometheusRule, metadata: {name: a}, spec: {groups: [{name: a, rules: [{alert: A}]}]}}",
	} {
		if err := schemas.validate(documents(t, yaml)[0]); err == nil {
			t.Errorf("%s is not found", mistake)
		}
	}
}

// TestComposeMatchesTheSchema validates the compose file with the schema of the Compose
// specification.
func TestComposeMatchesTheSchema(t *testing.T) {
	text := read(t, filepath.Join(folderOf(t, "COMPOSE_SOURCE"), "schema/compose-spec.json"))
	compiler := jsonschema.NewCompiler()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
	if err == nil {
		err = compiler.AddResource("file:///compose.json", parsed)
	}
	if err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("file:///compose.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(plain(documents(t, read(t, "compose/compose.yaml"))[0])); err != nil {
		t.Error(err)
	}
}
