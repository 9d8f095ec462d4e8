package bolt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ocigate/gateway/operation"
)

// ErrTorn means that the last line of an audit trail is incomplete: it is being written
// at the moment, or writing it failed and nothing was written since. The line is to be
// ignored.
var ErrTorn = errors.New("bolt: the last line of the audit trail is not complete")

// trailName is the form of the names of the files: one for a month, and further parts of a
// month whose file became too large. The order of the names, in every locale, is that of
// the files.
var trailName = regexp.MustCompile(`^audit-\d{4}-\d{2}\.(part(\d{4})\.)?jsonl$`)

// trailFiles returns the names of the files of a trail, in order.
func trailFiles(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder) // in the order of their names
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if trailName.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// partAfter returns the name of the next file of the same month.
func partAfter(name string) string {
	month, part := name[:len("audit-2006-01")], 1
	if found := trailName.FindStringSubmatch(name); found[2] != "" {
		part, _ = strconv.Atoi(found[2]) // four digits
	}
	return fmt.Sprintf("%s.part%04d.jsonl", month, part+1)
}

// lastPart is the name of the last part of a month, behind which no other comes.
const lastPart = ".part9999.jsonl"

// Trail iterates over the lines of the audit trail in the folder, without their
// newlines, from the first line of the first file to the last line of the last. A store
// may be using the folder. An incomplete last line comes with [ErrTorn]; any other error
// ends the iteration.
func Trail(folder string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		err := CheckFolder(folder)
		var names []string
		if err == nil {
			names, err = trailFiles(folder)
		}
		if err != nil {
			yield(nil, fmt.Errorf("bolt: audit trail: %w", err))
			return
		}
		for i, name := range names {
			if !readLines(folder, name, i == len(names)-1, yield) {
				return
			}
		}
	}
}

// readLines yields the lines of a file, and reports whether to continue. An incomplete
// line in a file that is not the last is yielded like other lines: its hash shows that it
// is incomplete.
func readLines(folder, name string, last bool, yield func([]byte, error) bool) bool {
	file, err := openFile(folder, name, os.O_RDONLY)
	if err != nil {
		yield(nil, fmt.Errorf("bolt: audit trail: %w", err))
		return false
	}
	defer file.Close() //nolint:errcheck // it was only read
	lines := bufio.NewReaderSize(file, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		complete, newline := bytes.CutSuffix(line, []byte("\n"))
		switch {
		case newline:
			if !yield(complete, nil) {
				return false
			}
		case !errors.Is(err, io.EOF):
			yield(nil, fmt.Errorf("bolt: audit trail: %w", err))
			return false
		case len(line) == 0:
			return true
		case last:
			return yield(line, ErrTorn)
		default:
			return yield(line, nil)
		}
	}
}

// trail is the end of the audit trail, where lines are added. The lock of the store
// guards it.
type trail struct {
	folder string
	noSync bool
	most   int64    // bytes of a file, after which the next is begun; 0 for no limit
	names  []string // of all files when it was opened
	name   string   // of the file, empty if there is none yet
	file   *os.File // nil if there is none yet
	info   os.FileInfo
	size   int64 // of the complete lines of the file
	torn   int64 // bytes of an incomplete last line behind them
	head   operation.Head
}

// openTrail finds the end of the trail, and changes nothing. The trail of a folder without
// lines is behind start. flag is how the last file is opened. Before lines are added, call
// mend.
func openTrail(folder string, start operation.Head, flag int) (*trail, error) {
	names, err := trailFiles(folder)
	if err != nil {
		return nil, err
	}
	t := &trail{folder: folder, names: names, head: start}
	if len(names) == 0 {
		return t, nil
	}
	if err := t.resume(flag); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// resume opens the last file of the trail.
func (t *trail) resume(flag int) error {
	if err := t.use(t.names[len(t.names)-1], flag); err != nil {
		return err
	}
	_, end, err := lastLine(t.file, t.info.Size())
	if err != nil {
		return err
	}
	t.size, t.torn = end, t.info.Size()-end
	for at, err := range t.backwards() {
		if err != nil {
			return err
		}
		if t.head, _, err = operation.HeadOf(at.line); err != nil {
			return fmt.Errorf("%s: the last line %w", filepath.Join(t.folder, at.name), err)
		}
		break
	}
	return nil
}

// place is a line of the trail and the name of its file.
type place struct {
	name string
	line []byte
}

// backwards iterates over the complete lines of the trail, the last first. An error ends the
// iteration.
func (t *trail) backwards() iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		for i, name := range slices.Backward(t.names) {
			if !linesBackwards(t.folder, name, i == len(t.names)-1, func(line []byte, err error) bool { return yield(place{name, line}, err) }) {
				return
			}
		}
	}
}

// linesBackwards yields the complete lines of a file, the last first, and reports whether
// to continue. Only the last file of a trail may end in the middle of a line.
func linesBackwards(folder, name string, last bool, yield func([]byte, error) bool) bool {
	file, err := openFile(folder, name, os.O_RDONLY)
	if err != nil {
		yield(nil, err)
		return false
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		yield(nil, err)
		return false
	}
	for size := info.Size(); ; last = true {
		line, end, err := lastLine(file, size)
		if err == nil && end != size && !last {
			err = fmt.Errorf("%s ends in the middle of a line", file.Name())
		}
		if err != nil {
			yield(nil, err)
			return false
		}
		if line == nil {
			return true
		}
		if !yield(line, nil) {
			return false
		}
		size = end - int64(len(line)) - 1
	}
}

// mend removes an incomplete last line, so that lines can be added.
func (t *trail) mend(log *slog.Logger) error {
	if t.torn == 0 {
		return nil
	}
	if err := t.cut(t.size); err != nil {
		return err
	}
	log.Warn("a line of the audit trail was not written to its end, and is cut off", "file", t.file.Name(), "bytes", t.torn)
	t.torn = 0
	return nil
}

// use opens the file that lines are added to.
func (t *trail) use(name string, flag int) error {
	file, err := openFile(t.folder, name, flag)
	if err != nil {
		return err
	}
	t.close()
	t.name, t.file = name, file
	t.info, err = file.Stat()
	return err
}

// cut truncates the file to its complete lines.
func (t *trail) cut(end int64) error {
	if err := t.file.Truncate(end); err != nil {
		return err
	}
	return t.file.Sync()
}

func (t *trail) close() {
	if t.file != nil {
		_ = t.file.Close() // everything that was acknowledged is on the disk
	}
}

// checkUnchanged returns an error if the file is no longer at its path, or has another
// size than after the last line was written.
func (t *trail) checkUnchanged() error {
	if t.file == nil {
		return nil
	}
	if err := isAt(t.file.Name(), t.info); err != nil {
		return err
	}
	info, err := t.file.Stat()
	if err == nil && info.Size() != t.size {
		err = fmt.Errorf("%s has %d bytes, %d were written", t.file.Name(), info.Size(), t.size)
	}
	return err
}

// append adds the lines of events and makes them durable. After an error it is not known
// whether they were added, and the trail is to be closed.
func (t *trail) append(events []operation.Event) error {
	head, lines := t.head, []byte(nil)
	for _, event := range events {
		if name := t.nextName(event.Time, int64(len(lines))); name > t.name {
			if err := t.write(lines, head); err != nil {
				return err
			}
			lines = nil
			if err := t.create(name); err != nil {
				return err
			}
		}
		line, next, err := operation.Seal(head, event)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
		head = next
	}
	return t.write(lines, head)
}

// nextName returns the name of the file for an event: that of the present file, a later
// month, or the next part of the month if the file with further bytes is full. The trail
// never returns to the file of an earlier month.
func (t *trail) nextName(at time.Time, more int64) string {
	name := max(t.name, "audit-"+at.UTC().Format("2006-01")+".jsonl")
	if name == t.name && t.most > 0 && t.size+more >= t.most && !strings.HasSuffix(name, lastPart) {
		return partAfter(name)
	}
	return name
}

// create begins the next file.
func (t *trail) create(name string) error {
	if err := t.use(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND); err != nil {
		return err
	}
	t.size = 0
	if t.noSync {
		return nil
	}
	return syncFolder(t.folder)
}

// write adds lines to the file. head is that of the last line.
func (t *trail) write(lines []byte, head operation.Head) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := t.file.Write(lines)
	if err == nil && !t.noSync {
		err = t.file.Sync()
	}
	if err != nil {
		_ = t.cut(t.size) // if this fails, openTrail does it
		return err
	}
	t.size += int64(len(lines))
	t.head = head
	return nil
}

// lastLineOf returns the last line of a file that is not the last of the trail, nil if it
// has none.
func lastLineOf(folder, name string) (last []byte, err error) {
	linesBackwards(folder, name, false, func(line []byte, failed error) bool {
		last, err = line, failed
		return false
	})
	return last, err
}

// lastLine returns the last complete line of a file of that size, nil if there is none,
// and the offset behind its newline.
func lastLine(r io.ReaderAt, size int64) (line []byte, end int64, err error) {
	var tail []byte
	for start := size; ; {
		newline := bytes.LastIndexByte(tail, '\n')
		before := bytes.LastIndexByte(tail[:max(newline, 0)], '\n')
		if newline >= 0 && (before >= 0 || start == 0) {
			return tail[before+1 : newline], start + int64(newline) + 1, nil
		}
		if start == 0 {
			return nil, 0, nil
		}
		// Twice as much each time, so that a long line is not read often.
		block := make([]byte, min(start, int64(len(tail))+4<<10))
		start -= int64(len(block))
		if _, err := r.ReadAt(block, start); err != nil {
			return nil, 0, err
		}
		tail = slices.Concat(block, tail)
	}
}
