package bolt

import "context"

// Check implements [operation.Store]. It writes a file beside the others and removes it,
// and does not wait for the disk.
func (s *Store) Check(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	if err := s.readyLocked(); err != nil {
		return err
	}
	if err := probe(s.folder, false); err != nil {
		s.suspect = true
		return s.unusable(err)
	}
	return nil
}

// Owns reports whether this store uses the folder at the moment: its database is open,
// and so locked against other processes.
func (s *Store) Owns(ctx context.Context) bool {
	if s.lock(ctx) != nil {
		return false
	}
	defer s.unlock()
	return s.database != nil
}
