package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// The names of the checks of an embedded journal.
const (
	nameFolder        = "journal_folder"
	nameDisk          = "journal_disk"
	nameFree          = "journal_space"
	nameFormat        = "journal_format"
	journalKey        = "journal.folder"
	notMadeWithoutDir = "the folder cannot be used"
)

// Limits of the checks of a journal.
const (
	syncs      = 5 // of the probe; the median counts
	probeBytes = 4 << 10
	slowSync   = 50 * time.Millisecond
	// A write with its audit line takes about 6 kB: see The journal in the pages.
	bytesPerWrite = 6 << 10
	leastFree     = 64 << 10 // the gateway records no write with less
	littleFree    = 256 << 20
)

func journalCheck(name, tried string) check {
	return check{Name: name, Tried: tried, code: exitJournal}
}

// checkFolder makes the checks of an embedded journal. It never opens the database for
// writing.
func (d *doctor) checkFolder(ctx context.Context) {
	folder := absolute(d.config.Journal.Folder)
	at, made := d.checkFolderItself(folder)
	if at == "" {
		for _, name := range []string{nameDisk, nameFree, nameFormat} {
			d.report.skip(check{Name: name}, notMadeWithoutDir)
		}
		return
	}
	if d.checkDisk(at) {
		d.checkSpace(at)
	} else {
		d.report.skip(check{Name: nameFree}, "the folder cannot be written to")
	}
	if !made {
		d.report.skip(check{Name: nameFormat}, "there is no journal yet")
		return
	}
	d.checkFormat(ctx, folder)
}

// checkFolderItself checks that the folder exists or can be created. at is the folder, or
// the one in which it would be created; it is empty if neither is possible.
func (d *doctor) checkFolderItself(folder string) (at string, made bool) {
	began := time.Now()
	c := journalCheck(nameFolder, "examine "+folder)
	key := d.place(journalKey)
	info, err := os.Stat(folder)
	switch {
	case err == nil && info.IsDir():
		if !d.reportFolder(c, began, folder, info) {
			return "", false
		}
		return folder, true
	case err == nil:
		d.report.fail(c, time.Since(began), folder+" is not a folder", "set "+key+" to a folder, or move the file away")
		return "", false
	}
	parent, err := nearestFolder(folder)
	if err != nil {
		d.report.fail(c, time.Since(began), "it does not exist and cannot be created: "+onOneLine(err), "set "+key+" to a folder on a local disk that outlives the process")
		return "", false
	}
	if err := d.probe(parent, 0); err != nil {
		d.report.fail(c, time.Since(began), fmt.Sprintf("it does not exist and cannot be created in %s: %s", parent, onOneLine(err)),
			"create it for the user of the gateway, or correct "+key)
		return "", false
	}
	d.report.ok(c, time.Since(began), "it does not exist yet; ocigate serve creates it when it starts, in "+parent)
	return parent, false
}

// nearestFolder returns the folder in which a path that does not exist would be created.
func nearestFolder(path string) (string, error) {
	for {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			return path, nil
		case err == nil:
			return "", fmt.Errorf("%s is not a folder", path)
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		above := filepath.Dir(path)
		if above == path {
			return "", err
		}
		path = above
	}
}

// reportFolder adds the check of a folder that exists. It reports whether the gateway uses
// such a folder.
func (d *doctor) reportFolder(c check, began time.Time, folder string, info fs.FileInfo) bool {
	owner, self := ownerOf(folder), os.Getuid()
	found := fmt.Sprintf("mode %v", info.Mode().Perm())
	if owner >= 0 {
		found += fmt.Sprintf(", of the user with id %d", owner)
	}
	err := bolt.CheckFolder(folder)
	unsafe, ok := errors.AsType[*bolt.UnsafeError](err)
	switch {
	case ok:
		d.report.fail(c, time.Since(began), "the gateway does not use it, since whoever can change the journal can change the outcome of writes: "+unsafe.Path+" "+unsafe.Found, unsafe.Do)
	case err != nil:
		d.report.fail(c, time.Since(began), onOneLine(err), "run this command as the user of the gateway; if it is, make that user the owner of the folder")
	case info.Mode().Perm()&0o020 != 0:
		d.report.note(c, time.Since(began), found+": all users in its group can remove the journal", "chmod g-w "+folder+", unless the gateway has the folder by its group, such as a volume with an fsGroup")
	case owner > 0 && owner != self:
		d.report.note(c, time.Since(began), fmt.Sprintf("%s, and this command runs as the user with id %d: whether the gateway can use it is shown only as its user", found, self), "run this command as the user of the gateway")
	default:
		d.report.ok(c, time.Since(began), found)
	}
	return err == nil
}

// probe writes a file of its own in a folder and removes it again. It syncs the file that
// many times, and returns an error if one of the steps fails.
func (d *doctor) probe(folder string, times int, each ...func(time.Duration)) error {
	f, err := os.OpenFile(filepath.Join(folder, ".doctor-"+rand.Text()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	for range times {
		if _, err = f.Write(make([]byte, probeBytes)); err != nil {
			break
		}
		began := time.Now()
		if err = d.machine.sync(f); err != nil {
			break
		}
		for _, took := range each {
			took(time.Since(began))
		}
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// checkDisk checks that files in the folder can be written and synced, and how fast. It
// reports whether they can.
func (d *doctor) checkDisk(folder string) bool {
	began := time.Now()
	c := journalCheck(nameDisk, fmt.Sprintf("write a file in %s, %d times with fsync, and remove it", folder, syncs))
	var took []time.Duration
	if err := d.probe(folder, syncs, func(t time.Duration) { took = append(took, t) }); err != nil {
		d.report.fail(c, time.Since(began), "it failed: "+onOneLine(err), "the gateway sends no write without a journal: check the owner and the mode of the folder, whether the file system is mounted read-only or is full, and the disk")
		return false
	}
	slices.Sort(took)
	median := took[len(took)/2]
	found := "an fsync takes " + duration(median.Seconds()) + " (median)"
	if median >= slowSync {
		d.report.note(c, time.Since(began), found+", which is slow: each write waits for several", "use a local disk for "+d.place(journalKey)+", one with a write cache that survives a power failure")
		return true
	}
	d.report.ok(c, time.Since(began), found)
	return true
}

// checkSpace checks the free space for the folder.
func (d *doctor) checkSpace(folder string) {
	began := time.Now()
	c := journalCheck(nameFree, "read the free space for "+folder)
	space, err := d.machine.space(folder)
	if err != nil {
		d.report.skip(c, "the free space: "+onOneLine(err))
		return
	}
	found := fmt.Sprintf("%s of %s are free, enough for about %d writes", bytesText(space.free), bytesText(space.total), space.free/bytesPerWrite)
	switch {
	case space.free < leastFree:
		d.report.fail(c, time.Since(began), fmt.Sprintf("only %s are free, and the gateway needs %s to record a write", bytesText(space.free), bytesText(leastFree)),
			"free space: archive the audit trail of past months with ocigate audit archive, or use a larger disk")
	case space.lost != "":
		d.report.note(c, time.Since(began), found+"; "+space.lost, "mount a volume, and set "+d.place(journalKey)+" to a folder on it")
	case space.free < littleFree:
		d.report.note(c, time.Since(began), found+", which is little", "archive the audit trail of past months with ocigate audit archive, or use a larger disk")
	default:
		d.report.ok(c, time.Since(began), found)
	}
}

// bytesText returns a number of bytes for people.
func bytesText(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// checkFormat checks the database, or asks the gateway that has it open.
func (d *doctor) checkFormat(ctx context.Context, folder string) {
	began := time.Now()
	c := journalCheck(nameFormat, "read the format of "+filepath.Join(folder, operationsDatabase))
	found, err := bolt.Inspect(folder)
	switch {
	case errors.Is(err, bolt.ErrInUse):
		d.checkRunningJournal(ctx, folder)
	case err != nil:
		cause, do := explainFormat(err)
		d.report.fail(c, time.Since(began), cause, do)
	case found.Format == 0:
		d.report.ok(c, time.Since(began), "there is no journal yet")
	case found.TrailError != nil:
		cause, do := explainTrail(found.TrailError)
		d.report.fail(c, time.Since(began), cause, do)
	case found.Before != found.Trail.Archived:
		archived := "no lines"
		if n := found.Trail.Archived.Sequence; n > 0 {
			archived = fmt.Sprintf("only the lines up to %d", n)
		}
		d.report.note(c, time.Since(began), fmt.Sprintf("the audit trail begins behind line %d, and %s were archived by ocigate audit archive", found.Before.Sequence, archived), "bring the files with the lines before it back; if they were moved away on purpose, run ocigate audit accept once")
	case found.IsOld():
		d.report.note(c, time.Since(began), fmt.Sprintf("format %d: the start of this version migrates it to format %d, which earlier versions cannot read", found.Format, operation.Format), "copy the folder before the first start of this version")
	default:
		d.report.ok(c, time.Since(began), fmt.Sprintf("format %d, %s, and no gateway has it open", found.Format, bytesText(uint64(found.Size)))) //nolint:gosec // a size is not negative
	}
}

// explainTrail explains why the audit trail stops a gateway from recording.
func explainTrail(err error) (cause, do string) {
	if unsafe, ok := errors.AsType[*bolt.UnsafeError](err); ok {
		return "the gateway does not use the audit trail: " + unsafe.Path + " " + unsafe.Found, unsafe.Do
	}
	if _, ok := errors.AsType[*operation.TrailError](err); ok {
		return "the audit trail and the database do not agree: " + onOneLine(err),
			"see Lines that are missing in the page about the journal; keep a copy of the folder first"
	}
	return "the audit trail cannot be read: " + onOneLine(err),
		"see Lines that are missing in the page about the journal; keep a copy of the folder first"
}

// explainFormat explains why the database cannot be examined.
func explainFormat(err error) (cause, do string) {
	if unsafe, ok := errors.AsType[*bolt.UnsafeError](err); ok {
		return "the gateway does not use it: " + unsafe.Path + " " + unsafe.Found, unsafe.Do
	}
	if errors.Is(err, fs.ErrPermission) {
		return "this user may not read the database: " + onOneLine(err),
			"run this command as the user of the gateway; if it is, make that user the owner of the folder and its files"
	}
	return "the database cannot be used: " + onOneLine(err),
		"see Updates and A database file that is corrupt in the page about the journal; do not change the file"
}

// checkRunningJournal asks the gateway that has the folder open.
func (d *doctor) checkRunningJournal(ctx context.Context, folder string) {
	began := time.Now()
	c := journalCheck(nameFormat, "ask the gateway that has the journal open, by "+filepath.Join(folder, controlSocket))
	state, err := askJournal(ctx, folder, d.machine.wait)
	switch {
	case errors.Is(err, fs.ErrPermission):
		d.report.note(c, time.Since(began), "a process has the journal open, and this user may not ask it: "+onOneLine(err), "run this command as the user of the gateway")
	case errors.Is(err, errOtherVersion):
		d.report.note(c, time.Since(began), onOneLine(err), "run this command in the version of the gateway")
	case isUnsafe(err):
		cause, do := explainFormat(err)
		d.report.fail(c, time.Since(began), cause, do)
	case err != nil:
		d.report.fail(c, time.Since(began), "another process has the database open, and no gateway answers at "+filepath.Join(folder, controlSocket),
			"two gateways cannot share a folder: give each its own, or use journal.store postgres; otherwise end the process that uses it")
	case !state.Usable:
		d.report.fail(c, time.Since(began), fmt.Sprintf("the gateway %s has it open and cannot use it since %s: %s", state.Version, date(state.Since), state.Cause), "correct the cause; the gateway then goes on by itself")
	default:
		found := fmt.Sprintf("the gateway %s has it open and can use it; format %d, %s", state.Version, state.Format, numbered(state.Unresolved, "write is unknown", "writes are unknown"))
		d.report.ok(c, time.Since(began), found)
	}
}

// isUnsafe reports whether another user may have written what is at a path of the journal.
func isUnsafe(err error) bool {
	_, unsafe := errors.AsType[*bolt.UnsafeError](err)
	return unsafe
}
