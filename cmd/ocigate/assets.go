package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/config/assets"
)

func newAssets() *cobra.Command {
	c := &cobra.Command{
		Use:   "assets",
		Short: "Print and write the files that operators need beside the binary",
		Long: "List, print or write what belongs to this version of ocigate: the example of the\n" +
			"configuration, rules and dashboards for monitoring, units, packages and charts.",
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	c.AddCommand(newAssetsList(), newAssetsPrint(), newAssetsWrite())
	return c
}

func newAssetsList() *cobra.Command {
	var everyFile bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the assets, and what each is for",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, a := range assets.All() {
				fmt.Fprintf(w, "%s\t%s\n", a.Name, a.Help)
				paths, err := assets.List(a.Name)
				if err != nil {
					return err
				}
				for _, path := range paths {
					if everyFile && path != a.Name {
						fmt.Fprintf(w, "  %s\t\n", path)
					}
				}
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&everyFile, "files", false, "list every file of each folder, too")
	return c
}

func newAssetsPrint() *cobra.Command {
	return &cobra.Command{
		Use:               "print FILE",
		Short:             "Print a file",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAssets,
		RunE: func(c *cobra.Command, args []string) error {
			paths, err := assetsNamed(args)
			if err != nil {
				return err
			}
			if len(paths) != 1 || paths[0] != strings.TrimSuffix(args[0], "/") {
				return fmt.Errorf("%s is a folder: print one of its files (%s), or write all with \"ocigate assets write\"", args[0], strings.Join(paths, ", "))
			}
			content, err := fs.ReadFile(assets.Files(), paths[0])
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(content)
			return err
		},
	}
}

func newAssetsWrite() *cobra.Command {
	var to string
	var force bool
	c := &cobra.Command{
		Use:   "write [NAME...]",
		Short: "Write files and folders, by default all, below a folder",
		Long: "Write assets below the folder of --to, which is created if it does not exist, and print\n" +
			"the paths. A file that exists and has other content is an error, and then nothing is\n" +
			"written, unless --force is given.",
		ValidArgsFunction: completeAssets,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = assetNames()
			}
			paths, err := assetsNamed(args)
			if err != nil {
				return err
			}
			return writeAssets(c, paths, to, force)
		},
	}
	c.Flags().StringVar(&to, "to", ".", "the `folder` to write to")
	c.Flags().BoolVar(&force, "force", false, "replace files that exist with other content")
	return c
}

// assetsNamed returns the paths of the files of some assets, each once. Its error
// reports all names that are unknown.
func assetsNamed(names []string) ([]string, error) {
	var paths []string
	var problems []error
	for _, name := range names {
		found, err := assets.List(name)
		if err != nil {
			err = fmt.Errorf("%w%s; \"ocigate assets list\" shows all", err, config.DidYouMean(name, allAssetPaths()))
		}
		problems = append(problems, err)
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	return slices.Compact(paths), errors.Join(problems...)
}

// writeAssets writes files below a folder. It writes nothing if one of them exists with
// other content, unless force is set.
func writeAssets(c *cobra.Command, paths []string, to string, force bool) error {
	contents := make([][]byte, len(paths))
	var problems []error
	for i, path := range paths {
		var err error
		if contents[i], err = fs.ReadFile(assets.Files(), path); err != nil {
			return err
		}
		present, err := os.ReadFile(filepath.Join(to, path)) //nolint:gosec // the operator names the folder
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			problems = append(problems, err)
		case !force && !bytes.Equal(present, contents[i]):
			problems = append(problems, fmt.Errorf("%s exists with other content; --force replaces it", filepath.Join(to, path)))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for i, path := range paths {
		target := filepath.Join(to, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // none of the files has a secret
			return err
		}
		mode := fs.FileMode(0o644)
		if assets.IsExecutable(contents[i]) {
			mode = 0o755
		}
		if err := os.WriteFile(target, contents[i], mode); err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), target)
	}
	return nil
}

func assetNames() []string {
	var names []string
	for _, a := range assets.All() {
		names = append(names, a.Name)
	}
	return names
}

// allAssetPaths returns the names of all assets, and of all files in them.
func allAssetPaths() []string {
	names := assetNames()
	paths, err := assetsNamed(names)
	if err != nil {
		panic(err) // the names are those of the table
	}
	names = append(names, paths...)
	slices.Sort(names)
	return slices.Compact(names)
}

func completeAssets(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return allAssetPaths(), cobra.ShellCompDirectiveNoFileComp
}
