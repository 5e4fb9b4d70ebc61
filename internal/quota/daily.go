package quota

import "time"

const secondsADay = 24 * 60 * 60

// daily counts calls of one UTC day by the server's clock. Around midnight, where that clock cannot be told to the
// second, a call counts for the day before and for the day after.
type daily struct {
	limit  int // 0: none
	told   int // the limit as the server told it last; 0: it told none
	higher int // a higher limit that the server told of, in force from the next day on

	number int64 // days since 1970
	used   int   // our own
	others int   // what the server counted beyond that
	before int   // all of the day before …
	edge   int   // … and how many of our own calls were made just before the next midnight
}

func dayOf(server time.Time) int64 {
	s := server.Unix()
	if s < 0 {
		s -= secondsADay - 1
	}
	return s / secondsADay
}

func midnight(day int64) time.Time { return time.Unix(day*secondsADay, 0).UTC() }

// roll starts a new day when the server's clock says so. A clock that went back keeps the counts.
func (d *daily) roll(server time.Time) {
	day := dayOf(server)
	switch {
	case day == d.number:
		return
	case day == d.number+1:
		d.before, d.used, d.others, d.edge = d.all(), d.edge, 0, 0
	case day > d.number:
		d.before, d.used, d.others, d.edge = 0, 0, 0, 0
	}
	if day > d.number && d.higher > 0 {
		d.limit, d.higher = d.higher, 0
	}
	d.number = day
}

func (d *daily) all() int { return d.used + d.others }

func (d *daily) left() int {
	if d.limit == 0 {
		return int(^uint(0) >> 2)
	}
	return max(0, d.limit-d.all())
}

// opens is when, by the server's clock, one more call fits.
func (d *daily) opens(server time.Time) time.Time {
	switch {
	case d.limit == 0:
		return server
	case d.all() >= d.limit:
		return midnight(d.number + 1).Add(midnightGuard)
	case d.before >= d.limit && server.Before(midnight(d.number).Add(midnightGuard)):
		return midnight(d.number).Add(midnightGuard)
	}
	return server
}

func (d *daily) add(server time.Time) {
	d.used++
	if server.Before(midnight(d.number).Add(midnightGuard)) {
		d.before++
	}
	if !server.Before(midnight(d.number + 1).Add(-midnightGuard)) {
		d.edge++
	}
}

// observe takes the server's count, unless it may be that of the neighbouring day.
func (d *daily) observe(sent, at time.Time, told Reading) {
	if !told.Known {
		return
	}
	if dayOf(sent.Add(-midnightGuard)) != d.number || dayOf(at.Add(midnightGuard)) != d.number {
		return
	}
	if told.Limit > 0 {
		d.told = told.Limit
	}
	switch limit := told.Limit; {
	case limit <= 0 || limit == d.limit:
		d.higher = 0
	case d.limit == 0 || limit < d.limit:
		d.limit, d.higher = limit, 0
	default:
		d.higher = limit
	}
	d.others = max(d.others, told.Used-d.used)
}
