package sources

import "time"

const (
	sweepPage = 100
	sweepTime = "2006-01-02T15:04:05"
)

// byChange reads a list that is sorted by when things changed, oldest change first. Each page starts where the one before
// ended, because numbered pages shift when something changes meanwhile; what comes twice is recognised. Only a second
// with more changes than a page holds is paged by number.
func byChange(since time.Time, fetch func(since time.Time, page int) ([]tree, error), at string, take func([]tree) error) error {
	for page := 1; ; {
		list, err := fetch(since, page)
		if err != nil {
			return err
		}
		last := since
		for _, t := range list {
			if changed := t.at(at).time(); changed.After(last) {
				last = changed
			}
		}
		if err := take(list); err != nil || len(list) < sweepPage {
			return err
		}
		if page++; last.Sub(since) > time.Second {
			since, page = last, 1
		}
	}
}

// newestFirst reads a list that can be sorted only by when things began, back to since. What is added meanwhile shifts
// the pages towards their end, so nothing is missed.
func newestFirst(since time.Time, fetch func(page int) ([]tree, error), at string, take func([]tree) error) error {
	for page := 1; ; page++ {
		list, err := fetch(page)
		if err != nil {
			return err
		}
		fresh := list
		for i, t := range list {
			if t.at(at).time().Before(since) {
				fresh = list[:i]
				break
			}
		}
		if err := take(fresh); err != nil || len(fresh) < sweepPage {
			return err
		}
	}
}
