package queue

import (
	"fmt"
	"time"
)

// A disk that fills to the last byte breaks the store: a stream that could not be written takes nothing more until it is
// opened again. So nothing new is accepted when less than a reserve is left, which is for working off what was accepted. The
// store writes a block of a log (8 MiB) once more when it is full, to compress it: the reserve is for two of them at least.
const (
	reserveLeast = 16 << 20
	reserveMost  = 256 << 20
	reserveShare = 10 // in percent of a small disk
	roomEvery    = 5 * time.Millisecond
)

// room watches how much is left on a disk. It is for one goroutine.
type room struct {
	dir    string // "" watches nothing
	looked time.Time
	err    error
}

// check tells why nothing new may be stored, nil when it may. It looks at most every roomEvery: a fast sender fills a small reserve in a second.
func (r *room) check() error {
	if r.dir == "" || time.Since(r.looked) < roomEvery {
		return r.err
	}
	r.looked = time.Now()
	free, total, err := space(r.dir)
	if err != nil {
		r.err = fmt.Errorf("look at the disk: %w", err)
		return r.err
	}
	r.err = nil
	if reserve := min(reserveMost, max(reserveLeast, total*reserveShare/100)); free < reserve {
		r.err = fmt.Errorf("%w: %d MiB are left on the disk, and %d are kept for what was accepted before", ErrUnavailable, free>>20, reserve>>20)
	}
	return r.err
}
