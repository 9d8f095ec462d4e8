package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// compress returns content as gzip, without a name and a time.
func compress(content []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// archive returns a tar.gz of files by their paths. Of each, only the path and the content
// count: all have the same time, the same mode and no owner.
func archive(files map[string][]byte, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	folders := map[string]bool{}
	var names []string
	for name := range files {
		names = append(names, name)
		for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
			folders[folder+"/"] = true
		}
	}
	for folder := range folders {
		names = append(names, folder)
	}
	slices.Sort(names)
	for _, name := range names {
		header := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name])), ModTime: at, Format: tar.FormatPAX}
		if folders[name] {
			header.Typeflag, header.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return compress(b.Bytes())
}

// readFolder returns the files below a folder, by their paths with a prefix before them.
func readFolder(folder, prefix string) (map[string][]byte, error) {
	files := map[string][]byte{}
	root := os.DirFS(folder)
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[path.Join(prefix, name)], err = fs.ReadFile(root, name)
		return err
	})
	return files, err
}

// write writes a file of the release.
func (r *release) write(name string, content []byte) error {
	return os.WriteFile(filepath.Join(r.to, name), content, 0o644) //nolint:gosec // none of the files has a secret
}

// checksums adds what every release has, and the checksums of all files.
func (r *release) checksums() error {
	for _, source := range []string{"LICENSE", "cmd/CHANGELOG.md"} {
		content, err := os.ReadFile(filepath.FromSlash(source))
		if err != nil {
			return err
		}
		if err := r.write(path.Base(source), content); err != nil {
			return err
		}
	}
	files, err := readFolder(r.to, "")
	if err != nil {
		return err
	}
	var sums []string
	for name, content := range files {
		sums = append(sums, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name))
	}
	slices.SortFunc(sums, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return r.write("SHA256SUMS", []byte(strings.Join(sums, "")))
}
