package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ocigate/config"
)

// These tests specify that a Secret is never printed. To add a form of output, add a
// subtest to TestSecretIsNeverPrinted.

func TestSecretIsRevealedOnlyOnRequest(t *testing.T) {
	const word = "hunter2"
	secret := config.NewSecret(word)
	if secret.Reveal() != word || !secret.IsSet() {
		t.Fatalf("Reveal: %q, IsSet: %v", secret.Reveal(), secret.IsSet())
	}
	if zero := (config.Secret{}); zero.Reveal() != "" || zero.IsSet() {
		t.Errorf("the zero secret is %q", zero.Reveal())
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	const word = "hunter2"
	secret := config.NewSecret(word)
	exported := struct{ Password config.Secret }{secret}
	hidden := struct{ password config.Secret }{secret}

	check := func(t *testing.T, got string, wantRedacted bool) {
		t.Helper()
		for _, form := range []string{word, "68756e74657232", "68756E74657232", fmt.Sprintf("%d", []byte(word))} {
			if strings.Contains(got, form) {
				t.Errorf("contains the secret: %s", got)
			}
		}
		if wantRedacted && !strings.Contains(got, "[redacted]") {
			t.Errorf("has no placeholder: %s", got)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%t"} {
		t.Run("with "+verb, func(t *testing.T) {
			check(t, fmt.Sprintf(verb, secret), true)
			check(t, fmt.Sprintf(verb, &secret), true)
			check(t, fmt.Sprintf(verb, exported), true)
			check(t, fmt.Sprintf(verb, []config.Secret{secret}), true)
			check(t, fmt.Sprintf(verb, hidden), false)
		})
	}
	t.Run("by its methods", func(t *testing.T) {
		check(t, secret.String(), true)
		check(t, secret.GoString(), true)
	})
	for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal, "XML": xml.Marshal} {
		t.Run("as "+name, func(t *testing.T) {
			got, err := marshal(secret)
			if err != nil {
				t.Fatal(err)
			}
			check(t, string(got), true)
		})
	}
	t.Run("to a log", func(t *testing.T) {
		var b bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewJSONHandler(&b, nil), slog.NewTextHandler(&b, nil)} {
			for _, value := range []any{secret, exported} {
				b.Reset()
				slog.New(handler).Info("x", "value", value)
				check(t, b.String(), true)
			}
		}
	})
	t.Run("as a part of a configuration", func(t *testing.T) {
		c := minimalConfig()
		c.Platform.Password = secret
		check(t, fmt.Sprintf("%+v %#v", c, c), true)
	})
}
