package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ocigate/config/manual"
)

// The manual pages of the commands are made from the command line itself: one for the
// program, and one for each command with its subcommands.

const manualFolder = "../../config/assets/man"

// TestGeneratedManual compares the manual pages of the commands with the command line, or
// writes them again with -update.
func TestGeneratedManual(t *testing.T) {
	want := manualPages()
	present, err := filepath.Glob(filepath.Join(manualFolder, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range present {
		if _, ok := want[filepath.Base(path)]; ok {
			continue
		}
		if !*update {
			t.Errorf("%s is not the page of a command: run make generate", path)
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, page := range want {
		path := filepath.Join(manualFolder, name)
		if *update {
			if err := os.WriteFile(path, page, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, page) {
			t.Errorf("%s differs from the command line, or cannot be read (%v): run make generate", path, err)
		}
	}
}

// TestManualHasNoWarnings renders all manual pages, also that of the configuration.
func TestManualHasNoWarnings(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed")
	}
	pages, err := filepath.Glob(filepath.Join(manualFolder, "*.[15]"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	for _, page := range pages {
		c := exec.CommandContext(t.Context(), groff, "-ww", "-man", "-Tutf8", "-rLL=100n", page)
		var warnings strings.Builder
		c.Stderr = &warnings
		if out, err := c.Output(); err != nil || len(out) == 0 || warnings.Len() > 0 {
			t.Errorf("%s: %v, %s", page, err, warnings.String())
		}
	}
}

// manualPages returns the page of each command by its file's name.
func manualPages() map[string][]byte {
	root := newRoot()
	root.InitDefaultCompletionCmd()
	pages := map[string][]byte{"ocigate.1": programPage(root)}
	for _, c := range documented(root) {
		pages[manualName(c)+".1"] = commandPage(c)
	}
	return pages
}

func manualName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// documented returns the subcommands of a command, by name.
func documented(c *cobra.Command) []*cobra.Command {
	subs := slices.DeleteFunc(slices.Clone(c.Commands()), func(sub *cobra.Command) bool { return !sub.IsAvailableCommand() || sub.Name() == "help" })
	slices.SortFunc(subs, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	return subs
}

func programPage(root *cobra.Command) []byte {
	p := manual.New("ocigate", 1, "JSON API in front of BroadWorks-style telephony platforms")
	p.Heading("Synopsis")
	p.Line(manual.Bold("ocigate") + " " + manual.Italic("command") + " [" + manual.Italic("flags") + "]")
	p.Heading("Description")
	p.Text(root.Long)
	p.Heading("Commands")
	for _, c := range documented(root) {
		p.Item(manual.Bold(c.Name()), c.Short+". See "+manualName(c)+"(1).")
	}
	p.Heading("Options")
	options(p, root.LocalFlags())
	p.Heading("Environment")
	p.Item(manual.Bold("OCIGATE_")+manual.Italic("KEY"), "Sets a key of the configuration; see ocigate.yaml(5). "+
		"The variables of \"ocigate call\" are described in ocigate-call(1).")
	p.Heading("Files")
	p.Item(manual.Bold("ocigate.yaml"), "The configuration, in the current folder unless --config names another file. Packages have it in /etc/ocigate.")
	p.Heading("See also")
	p.Text("ocigate-serve(1), ocigate-doctor(1), ocigate-config(1), ocigate.yaml(5)")
	return p.Bytes()
}

func commandPage(c *cobra.Command) []byte {
	p := manual.New(manualName(c), 1, strings.TrimSuffix(strings.ToLower(c.Short[:1])+c.Short[1:], "."))
	p.Heading("Synopsis")
	synopsis(p, c)
	p.Heading("Description")
	p.Text(description(c))
	if c.HasAvailableLocalFlags() {
		p.Heading("Options")
		options(p, c.LocalFlags())
	}
	if subs := documented(c); len(subs) > 0 {
		p.Heading("Commands")
		for _, sub := range subs {
			subcommand(p, sub)
		}
	}
	if c.Example != "" {
		p.Heading("Examples")
		p.Text(c.Example)
	}
	p.Heading("See also")
	p.Text("ocigate(1), ocigate.yaml(5)")
	return p.Bytes()
}

// synopsis writes the usage of a command and of its subcommands. Those of the commands
// that have one for each route are left to their descriptions.
func synopsis(p *manual.Page, c *cobra.Command) {
	if c.HasAvailableSubCommands() {
		p.Line(manual.Bold(c.CommandPath()) + " " + manual.Italic("command") + " [" + manual.Italic("flags") + "]")
		return
	}
	p.Line(manual.Escape(c.UseLine()))
}

// subcommand describes a subcommand, and its own below it.
func subcommand(p *manual.Page, c *cobra.Command) {
	p.Part(strings.TrimSpace(strings.TrimPrefix(c.UseLine(), "ocigate ")))
	if !isRoute(c) {
		p.Text(description(c))
	} else {
		p.Text(c.Short)
	}
	if c.HasAvailableLocalFlags() {
		options(p, c.LocalFlags())
	}
	if c.Example != "" {
		p.Text(c.Example)
	}
	for _, sub := range documented(c) {
		subcommand(p, sub)
	}
}

// isRoute reports whether a command is that of a route, whose long description is the
// documentation of the API.
func isRoute(c *cobra.Command) bool {
	_, found := routeNamed(c.Name())
	return found
}

func description(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return c.Short + "."
}

func options(p *manual.Page, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		tag := manual.Bold("--" + f.Name)
		if f.Shorthand != "" {
			tag = manual.Bold("-"+f.Shorthand) + ", " + tag
		}
		if value != "" {
			tag += " " + manual.Italic(value)
		}
		usage = strings.ToUpper(usage[:1]) + usage[1:] + "."
		if !strings.Contains(usage, "(default") && !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
			value := f.DefValue
			if f.Value.Type() == "string" {
				value = strconv.Quote(value) // a dot is a folder
			}
			usage += " Default: " + value + "."
		}
		p.Item(tag, usage)
	})
}
