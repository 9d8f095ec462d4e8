package config_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ocigate/config"
)

// These tests put a distinct text into every secret of a configuration, and specify that no
// output of this package contains a part of one: neither the printed configuration, nor the
// errors of files with mistakes. To add a mistake, add an entry to mistakes.

// canary is in every secret of canaryFile, of its variables and of its files.
const canary = "CANARY"

// canaryHash returns a hash that has the canary in its salt.
func canaryHash(n string) string {
	return "$argon2id$v=19$m=65536,t=3,p=4$" + canary + n + "$RdescudvJCsgt3ub+b1dWRWJTmaQPEO1eaLQFd1hu14"
}

// canaryFile has every kind of secret, in each of the ways in which it can be given.
const canaryFile = `auth:
  tokens:
    keys:
      - id: "2026-11"
        secret: "CANARY of the first key, which is long"
      - {id: "2026-10", secret: {env: TOKEN_KEY}}
  clients:
    - id: "a"
      hash: "$argon2id$v=19$m=65536,t=3,p=4$CANARY1$RdescudvJCsgt3ub+b1dWRWJTmaQPEO1eaLQFd1hu14"
      next_hash: {file: hash}
      level: system
journal:
  store: postgres
  folder: ""
  postgres_url: "postgres://u:CANARY-word@db.example.com/d?sslpassword=CANARY-key"
platform:
  endpoints:
    - name: primary
      address: "ocs1.example.com:2209"
      user_id: "other"
      password: {file: password}
    - {name: secondary, address: "ocs2.example.com:2209", password: {env: ENDPOINT_PASSWORD}}
    - {name: third, address: "ocs3.example.com:2209", password: "CANARY-of-the-third"}
  user_id: "ocigate"
  password: 'CANARY of the platform'
`

var canaryEnviron = []string{"TOKEN_KEY=CANARY of the second key, which is long", "ENDPOINT_PASSWORD=CANARY of an endpoint"}

func canaryFiles(name string) ([]byte, error) {
	content, ok := map[string]string{"hash": canaryHash("2"), "password": "CANARY of another endpoint\n"}[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return []byte(content), nil
}

// eachSecretOf calls visit with every secret of a value, also those that are not set.
func eachSecretOf(path string, v reflect.Value, visit func(path string, s config.Secret)) {
	switch {
	case v.Type() == reflect.TypeFor[config.Secret]():
		s, _ := reflect.TypeAssert[config.Secret](v)
		visit(path, s)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				eachSecretOf(path+"."+f.Name, v.Field(i), visit)
			}
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			eachSecretOf(fmt.Sprintf("%s[%d]", path, i), v.Index(i), visit)
		}
	}
}

func TestCanariesAreInEverySecret(t *testing.T) {
	c, err := config.Parse([]byte(canaryFile), canaryEnviron, canaryFiles)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{} // by the field, whatever the index
	eachSecretOf("", reflect.ValueOf(*c), func(path string, s config.Secret) {
		field := path[strings.LastIndex(path, ".")+1:] + " of " + strings.NewReplacer("[0]", "", "[1]", "", "[2]", "").Replace(path)
		set[field] = set[field] || strings.Contains(s.Reveal(), canary)
	})
	for field, has := range set {
		if !has {
			t.Errorf("%s has no canary: add it to canaryFile", field)
		}
	}
	var printed bytes.Buffer
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	next := *c
	next.Platform.Password = config.NewSecret("another " + canary)
	for name, output := range map[string]string{
		"Print": printed.String(), "Diff": fmt.Sprint(config.Diff(c, &next)), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", *c), "Warnings": fmt.Sprint(c.Warnings()),
	} {
		if strings.Contains(output, canary) {
			t.Errorf("%s contains a secret:\n%s", name, output)
		}
	}
}

// mistakes change a line into one with a mistake.
var mistakes = map[string]func(line string) string{
	"no colon":               func(line string) string { return strings.Replace(line, ":", "", 1) },
	"no blank after a colon": func(line string) string { return strings.Replace(line, ": ", ":", 1) },
	"two colons":             func(line string) string { return strings.Replace(line, ": ", ": : ", 1) },
	"no quotes":              func(line string) string { return strings.NewReplacer(`"`, "", "'", "").Replace(line) },
	"a quote too few":        func(line string) string { return strings.Replace(line, `"`, "", 1) },
	"a quote too many":       func(line string) string { return strings.TrimRight(line, "\n") + `"` },
	"a quote in the middle":  func(line string) string { return strings.Replace(line, canary, canary+`"`, 1) },
	"a bracket too few":      func(line string) string { return strings.Replace(line, "}", "", 1) },
	"a bracket too many":     func(line string) string { return line + "]" },
	"an entry of a list":     func(line string) string { return indentOf(line) + "- " + strings.TrimLeft(line, " ") },
	"less indented":          func(line string) string { return strings.TrimPrefix(line, "  ") },
	"more indented":          func(line string) string { return "   " + line },
	"not indented":           func(line string) string { return strings.TrimLeft(line, " ") },
	"a tab":                  func(line string) string { return "\t" + line },
	"given twice":            func(line string) string { return line + "\n" + line },
	"a key in capitals": func(line string) string {
		before, after, _ := strings.Cut(line, ":")
		return strings.ToUpper(before) + ":" + after
	},
	"a misspelled key": func(line string) string { return strings.Replace(line, ":", "x:", 1) },
	"the value is the key": func(line string) string {
		before, after, _ := strings.Cut(line, ": ")
		return indentOf(before) + strings.TrimSpace(after) + ": x"
	},
	"a list":    func(line string) string { return valueOf(line, func(v string) string { return "[" + v + "]" }) },
	"a section": func(line string) string { return valueOf(line, func(v string) string { return "{" + v + ": 1}" }) },
	"an alias": func(line string) string {
		return valueOf(line, func(v string) string { return "*" + strings.Trim(v, `"'`) })
	},
	"an anchor": func(line string) string {
		return valueOf(line, func(v string) string { return "&" + strings.Trim(v, `"'`) + " x" })
	},
	"a tag": func(line string) string {
		return valueOf(line, func(v string) string { return "!" + strings.Trim(v, `"'`) + " x" })
	},
	"a tag of a number":      func(line string) string { return valueOf(line, func(v string) string { return "!!int " + v }) },
	"a directive":            func(line string) string { return valueOf(line, func(v string) string { return "%" + v }) },
	"a block":                func(line string) string { return valueOf(line, func(v string) string { return "|\n " + v }) },
	"a control character":    func(line string) string { return strings.Replace(line, canary, "\x01"+canary, 1) },
	"an escape that is none": func(line string) string { return strings.Replace(line, canary, `\q`+canary, 1) },
	"a line break":           func(line string) string { return strings.Replace(line, canary, canary+"\n"+canary, 1) },
	"another document":       func(line string) string { return line + "\n---\n" + line },
	"the secret as a file":   func(line string) string { return valueOf(line, func(v string) string { return "{file: [" + v + "]}" }) },
	"the secret as a type": func(line string) string {
		return valueOf(line, func(v string) string { return "{" + strings.Trim(v, `"'{}`) + "}" })
	},
	"a comma":             func(line string) string { return unquoted(line, "a,") },
	"commas":              func(line string) string { return unquoted(line, "a,b,") },
	"a comma and a colon": func(line string) string { return unquoted(line, "a,b: c,") },
	"a comment":           func(line string) string { return unquoted(line, "a #") },
	"a secret for an address": func(line string) string {
		return strings.NewReplacer("postgres_url", "store", "password", "user_id", "secret", "id", "hash", "level").Replace(line)
	},
}

// unquoted writes a text before the canary, and removes the quotes.
func unquoted(line, text string) string {
	return strings.NewReplacer(canary, text+canary, `"`, "", "'", "").Replace(line)
}

func indentOf(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " "))] }

func valueOf(line string, change func(string) string) string {
	before, after, ok := strings.Cut(line, ": ")
	if !ok {
		return line
	}
	return before + ": " + change(after)
}

func TestMistakesDoNotPrintSecrets(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(canaryFile, "\n"), "\n")
	for _, mistake := range slices.Sorted(maps.Keys(mistakes)) {
		for i, line := range lines {
			changed := slices.Clone(lines)
			changed[i] = mistakes[mistake](line)
			_, err := config.Parse([]byte(strings.Join(changed, "\n")+"\n"), canaryEnviron, canaryFiles)
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s in line %d: %q\n%v", mistake, i+1, changed[i], err)
			}
		}
	}
}

// TestBadFilesDoNotPrintSecrets checks the errors of all bad files, with the canary in their
// passwords, their variables and the files that they name.
func TestBadFilesDoNotPrintSecrets(t *testing.T) {
	var variables []string
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if value != "" && name != "PORTAL_HASH" {
			v += canary
		}
		variables = append(variables, v)
	}
	for _, path := range files(t, "bad") {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer(`"word"`, `"word CANARY"`, "a key for", "CANARY for", ":word@", ":CANARY@").Replace(string(raw))
		_, err = config.Parse([]byte(text), variables, os.ReadFile)
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
}
