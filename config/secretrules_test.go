package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ocigate/config"
)

// These tests specify which secrets are accepted from files, from the environment and
// from the configuration itself. To add a content of a file, add an entry to
// secretTexts.

// secretTexts are contents of a file, each with the reason why it is refused (wrong)
// or, if that is empty, with the secret.
var secretTexts = []struct{ content, secret, wrong string }{
	{content: "word", secret: "word"},
	{content: "word\n", secret: "word"},
	{content: "word\r\n", secret: "word"},
	{content: "two words\n", secret: "two words"},
	{content: "pässwörd €\n", secret: "pässwörd €"},
	{content: "👩\u200d🚀\n", secret: "👩\u200d🚀"},
	{content: "", wrong: "is empty"},
	{content: "\n", wrong: "is empty"},
	{content: "\r\n", wrong: "is empty"},
	{content: "\n\n", wrong: "ends with more than one line break"},
	{content: "word\n\n", wrong: "ends with more than one line break"},
	{content: "word\r\n\r\n", wrong: "ends with more than one line break"},
	{content: "word\n\r\n", wrong: "ends with more than one line break"},
	{content: "two\nwords\n", wrong: "contains a line break (U+000A)"},
	{content: "two\nwords", wrong: "contains a line break (U+000A)"},
	{content: "\nword", wrong: "contains a line break (U+000A)"},
	{content: "word\r", wrong: "contains a carriage return"},
	{content: "wo\rrd\n", wrong: "contains a carriage return"},
	{content: "word\r\r\n", wrong: "contains a carriage return"},
	{content: "wo\u2028rd", wrong: "contains a line break (U+2028)"},
	{content: "wo\u0085rd", wrong: "contains a line break (U+0085)"},
	{content: "wo\trd", wrong: "contains a tab"},
	{content: "word\t", wrong: "contains a tab"},
	{content: "wo\x00rd", wrong: "contains a NUL character"},
	{content: "word\x00", wrong: "contains a NUL character"},
	{content: "wo\x1brd", wrong: "contains a control character (U+001B)"},
	{content: "wo\x7frd", wrong: "contains a control character (U+007F)"},
	{content: "wo\u009brd", wrong: "contains a control character (U+009B)"},
	{content: "\ufeffword\n", wrong: "begins with a byte order mark; save it as UTF-8 without one"},
	{content: "\ufeff", wrong: "begins with a byte order mark; save it as UTF-8 without one"},
	{content: "wo\ufeffrd", wrong: "contains a byte order mark"},
	{content: "\xff\xfew\x00o\x00r\x00d\x00\n\x00", wrong: "is UTF-16 or UTF-32; save it as UTF-8"},
	{content: "\xfe\xff\x00w\x00o\x00r\x00d", wrong: "is UTF-16 or UTF-32; save it as UTF-8"},
	{content: "w\x00o\x00r\x00d\x00", wrong: "contains a NUL character"},
	{content: "w\xf6rd", wrong: "is not valid UTF-8"},
	{content: "word\xc3", wrong: "is not valid UTF-8"},
	{content: " word", wrong: "begins with a blank"},
	{content: "word \n", wrong: "ends with a blank"},
	{content: " ", wrong: "begins with a blank"},
	{content: "\u00a0word", wrong: "begins with a no-break space (U+00A0)"},
	{content: "word\u00a0\r\n", wrong: "ends with a no-break space (U+00A0)"},
	{content: "word\u3000", wrong: "ends with a blank (U+3000)"},
	{content: "word\u200b", wrong: "ends with an invisible character (U+200B)"},
	{content: "\u200eword", wrong: "begins with an invisible character (U+200E)"},
}

func withPassword(text string) string { return strings.Replace(minimal, `"word"`, text, 1) }

func TestSecretsInFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, tt := range secretTexts {
		t.Run(strconv.QuoteToASCII(tt.content), func(t *testing.T) {
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.wrong == "" {
				if got := parse(t, withPassword("{file: "+path+"}")).Platform.Password.Reveal(); got != tt.secret {
					t.Errorf("got %q, want %q", got, tt.secret)
				}
				return
			}
			want := "ocigate.yaml: line 7: platform.password: the file " + path + " " + tt.wrong
			if got := problems(t, withPassword("{file: "+path+"}")); len(got) != 1 || got[0] != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// TestSecretsInFilesThatHaveChanged checks that the rules at the start hold also for
// files that are read again.
func TestSecretsInFilesThatHaveChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	first := parse(t, withPassword("{file: "+path+"}")).Platform.Password
	for _, tt := range secretTexts {
		t.Run(strconv.QuoteToASCII(tt.content), func(t *testing.T) {
			write(tt.content)
			current, err := first.Current()
			switch {
			case tt.wrong == "":
				if err != nil || current.Reveal() != tt.secret || current.File() != path {
					t.Errorf("got %q from %s, %v", current.Reveal(), current.File(), err)
				}
			case current.IsSet() || err == nil || err.Error() != "the file "+path+" "+tt.wrong:
				t.Errorf("got %v, and it is set: %v", err, current.IsSet())
			}
		})
	}
	t.Run("are not read beyond the limit", func(t *testing.T) {
		write(strings.Repeat("a", 2<<20))
		if _, err := first.Current(); err == nil || !strings.Contains(err.Error(), path+" is larger than") {
			t.Errorf("got %.100v", err)
		}
	})
	t.Run("may have been removed", func(t *testing.T) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Current(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSecretsInTheEnvironment(t *testing.T) {
	for _, tt := range []struct{ value, wrong string }{
		{"word", ""},
		{"two words", ""},
		{"word\n", "ends with a line break"},
		{"word\r\n", "ends with a line break"},
		{"word\n\n", "ends with a line break"},
		{"wo\nrd", "contains a line break (U+000A)"},
		{"word\r", "contains a carriage return"},
		{" word", "begins with a blank"},
		{"word\u00a0", "ends with a no-break space (U+00A0)"},
		{"\ufeffword", "begins with a byte order mark; save it as UTF-8 without one"},
		{"w\xf6rd", "is not valid UTF-8"},
		{"wo\x1brd", "contains a control character (U+001B)"},
	} {
		t.Run(strconv.QuoteToASCII(tt.value), func(t *testing.T) {
			if tt.wrong == "" {
				for _, c := range []*config.Config{
					parse(t, withPassword("{env: WORD}"), "WORD="+tt.value), parse(t, minimal, "OCIGATE_PLATFORM_PASSWORD="+tt.value),
				} {
					if got := c.Platform.Password.Reveal(); got != tt.value {
						t.Errorf("got %q", got)
					}
				}
				return
			}
			want := "ocigate.yaml: line 7: platform.password: the environment variable WORD " + tt.wrong
			if got := problems(t, withPassword("{env: WORD}"), "WORD="+tt.value); len(got) != 1 || got[0] != want {
				t.Errorf("named by the file: got %q, want %q", got, want)
			}
			want = "OCIGATE_PLATFORM_PASSWORD: platform.password: " + tt.wrong
			if got := problems(t, minimal, "OCIGATE_PLATFORM_PASSWORD="+tt.value); len(got) != 1 || got[0] != want {
				t.Errorf("over the file: got %q, want %q", got, want)
			}
		})
	}
}

// TestSecretsInTheConfigurationItself checks that blanks in quotes are a part of the
// secret, but invisible characters are refused.
func TestSecretsInTheConfigurationItself(t *testing.T) {
	for text, secret := range map[string]string{`" word "`: " word ", `' word'`: " word", `"pässwörd €"`: "pässwörd €", `two words  # and a comment`: "two words"} {
		if got := parse(t, withPassword(text)).Platform.Password.Reveal(); got != secret {
			t.Errorf("%s: got %q", text, got)
		}
	}
	for text, wrong := range map[string]string{
		`"   "`:           "consists only of blanks",
		"|\n    word":     "ends with a line break",
		`"word\n"`:        "ends with a line break",
		`"wo\trd"`:        "contains a tab",
		`"wo\0rd"`:        "contains a NUL character",
		`"\uFEFFword"`:    "begins with a byte order mark; save it as UTF-8 without one",
		`"word\u00A0"`:    "ends with a no-break space (U+00A0)",
		`"word\u200B"`:    "ends with an invisible character (U+200B)",
		"word\u00a0":      "ends with a no-break space (U+00A0)",
		"\u00a0word":      "begins with a no-break space (U+00A0)",
		`" wo\u0085rd " `: "contains a line break (U+0085)",
	} {
		want := "ocigate.yaml: line 7: platform.password: " + wrong
		if got := problems(t, withPassword(text)); len(got) != 1 || got[0] != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestProblemsDoNotContainTheSecret(t *testing.T) {
	const secret = "hunter2"
	path := filepath.Join(t.TempDir(), "secret")
	for _, content := range []string{"\ufeff" + secret, secret + " ", secret + "\n\n", secret + "\x00" + secret, secret + "\xff", secret + "\n" + secret} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, line := range problems(t, withPassword("{file: "+path+"}")) {
			if strings.Contains(line, secret) {
				t.Errorf("the message contains the password: %s", line)
			}
		}
	}
}

func TestSecretFilesThatCannotBeReadAreNamed(t *testing.T) {
	folder := t.TempDir()
	for name, path := range map[string]string{"a folder": folder, "a file that does not exist": filepath.Join(folder, "none")} {
		t.Run(name, func(t *testing.T) {
			got := problems(t, withPassword("{file: "+path+"}"))
			if len(got) != 1 || !strings.HasPrefix(got[0], "ocigate.yaml: line 7: platform.password: cannot be read: ") || !strings.Contains(got[0], path) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestConfigurationsInAnotherEncodingAreRefused(t *testing.T) {
	utf16 := func(text string) string {
		var b strings.Builder
		for _, c := range text {
			b.WriteString(string(c) + "\x00")
		}
		return b.String()
	}
	for name, tt := range map[string]struct{ content, want string }{
		"two byte order marks": {"\ufeff\ufeff" + minimal, "line 1: begins with a byte order mark; save it as UTF-8 without one"},
		"UTF-16":               {"\xff\xfe" + utf16(minimal), "line 1: is UTF-16 or UTF-32; save it as UTF-8"},
		"UTF-16 without mark":  {utf16("log:" + minimal), "line 1: contains a NUL character, as UTF-16 does; save it as UTF-8"},
		"Latin-1":              {minimal + "# caf\xe9\n", "line 8: is not valid UTF-8"},
		"a control character":  {minimal + "log: {level: in\x1bfo}\n", `line 8: contains a control character (U+001B), which must be written in double quotes as \x1b`},
		"a mark in the middle": {minimal + "log: {level: in\ufefffo}\n", `line 8: contains a byte order mark, which must be written in double quotes as \ufeff`},
	} {
		t.Run(name, func(t *testing.T) {
			// It is not known which variables such a file names.
			got := problems(t, tt.content, "OCIGATE_SECRET=s")
			if len(got) != 1 || got[0] != "ocigate.yaml: "+tt.want {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
	t.Run("but DOS lines are accepted, and one byte order mark before them", func(t *testing.T) {
		dos := strings.ReplaceAll(minimal, "\n", "\r\n")
		parse(t, dos)
		parse(t, "\ufeff"+dos)
		parse(t, "\ufeff# a comment first\r\n"+dos)
	})
}
