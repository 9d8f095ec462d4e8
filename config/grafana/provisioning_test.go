package grafana

import (
	"bytes"
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The files with which Grafana provisions the data source and the dashboard. Their keys are
// those of Grafana's documentation.

type dataSources struct {
	APIVersion  int `yaml:"apiVersion"`
	DataSources []struct {
		Name, UID, Type, Access, URL string
		IsDefault                    bool           `yaml:"isDefault"`
		JSONData                     map[string]any `yaml:"jsonData"`
	} `yaml:"datasources"`
}

type providers struct {
	APIVersion int `yaml:"apiVersion"`
	Providers  []struct {
		Name, Type            string
		AllowUIUpdates        bool `yaml:"allowUiUpdates"`
		DisableDeletion       bool `yaml:"disableDeletion"`
		UpdateIntervalSeconds int  `yaml:"updateIntervalSeconds"`
		Options               struct{ Path string }
	}
}

// readStrictly reads a file, in which an unknown key is an error.
func readStrictly(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("../assets/grafana/provisioning/" + name)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestProvisioningIsComplete(t *testing.T) {
	var sources dataSources
	readStrictly(t, "datasources/prometheus.yaml", &sources)
	if sources.APIVersion != 1 || len(sources.DataSources) != 1 {
		t.Fatalf("data sources %+v", sources)
	}
	if s := sources.DataSources[0]; s.Type != *source().Type || s.URL == "" || s.UID == "" || s.Access != "proxy" || s.JSONData["timeInterval"] == "" {
		t.Errorf("the data source is %+v", s)
	}
	var from providers
	readStrictly(t, "dashboards/ocigate.yaml", &from)
	if from.APIVersion != 1 || len(from.Providers) != 1 || from.Providers[0].Type != "file" || from.Providers[0].Options.Path == "" {
		t.Errorf("providers %+v", from)
	}
}
