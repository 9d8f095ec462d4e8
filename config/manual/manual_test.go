package manual_test

import (
	"os/exec"
	"strings"
	"testing"

	"ocigate/config/manual"
)

func TestEscapeLeavesNoRequests(t *testing.T) {
	for text, want := range map[string]string{
		".so /etc/passwd": `\&.so /etc/passwd`,
		`'br`:             `\(aqbr`,
		`C:\n -x`:         `C:\en \-x`,
		"a ≤ b …":         `a \[u2264] b ...`,
		"~/`x`^":          `\(ti/\(gax\(ga\(ha`,
		"":                "",
	} {
		if got := manual.Escape(text); got != want {
			t.Errorf("Escape(%q) is %q, not %q", text, got, want)
		}
	}
}

// TestAPageIsRendered renders a page with man(1)'s formatter, if that is installed, and
// requires that it warns of nothing.
func TestAPageIsRendered(t *testing.T) {
	p := manual.New("ocigate-try", 1, "try")
	p.Heading("Description")
	p.Text("First line\nsecond.\n\nTable:\n  1  one\n  .2 'two'\n\n'Last' \\ one.")
	p.Heading("Options")
	p.Item(manual.Bold("-c")+", "+manual.Bold("--config")+" "+manual.Italic("file"), "The file.\n\nMore.")
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed")
	}
	c := exec.CommandContext(t.Context(), groff, "-ww", "-man", "-Tascii", "-P-cbou")
	c.Stdin = strings.NewReader(string(p.Bytes()))
	var warnings strings.Builder
	c.Stderr = &warnings
	out, err := c.Output()
	if err != nil || warnings.Len() > 0 {
		t.Errorf("%v, %s", err, warnings.String())
	}
	for _, want := range []string{"First line second.", "  1  one\n", "  .2 'two'\n", "'Last' \\ one.", "-c, --config file", "The file."} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page has no %q:\n%s", want, out)
		}
	}
}
