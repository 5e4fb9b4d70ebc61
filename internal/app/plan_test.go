package app

import (
	"strings"
	"testing"
	"time"

	"bridge/internal/quota"
)

// TestPlanSaysWhatMovesToTomorrow: each priority has its estimate, and what is not done today has a reason.
func TestPlanSaysWhatMovesToTomorrow(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	l := quota.New(quota.Config{Limits: quota.Limits{Second: 10, Minute: 240, Day: 3000}, Reserve: quota.Shares{Urgent: 0.2, Normal: 0.1}})
	l.Waiting([3]int{5, 10, 60_000})
	q := l.Outlook(now)
	p := planOf(&q)
	if p.Left != 3000 || p.Forecast || p.Surplus >= 0 {
		t.Errorf("%+v", p)
	}
	if p.Urgent.ETA == nil || p.Normal.ETA == nil || p.Bulk.ETA == nil || p.Urgent.ETA.After(now.Add(time.Minute)) || p.Bulk.ETA.Before(now.AddDate(0, 0, 15)) {
		t.Errorf("estimates: %v %v %v", p.Urgent.ETA, p.Normal.ETA, p.Bulk.ETA)
	}
	if p.Urgent.Tomorrow != 0 || p.Urgent.Why != "" || p.Urgent.Expected != 300 || p.Normal.Expected != 150 {
		t.Errorf("urgent %+v, normal %+v", p.Urgent, p.Normal)
	}
	if p.Bulk.Tomorrow < 57_000 || !strings.Contains(p.Bulk.Why, "the day has 3000 calls left") || !strings.Contains(p.Bulk.Why, "kept for urgent and normal work, as reserve: says") {
		t.Errorf("bulk: %+v", p.Bulk)
	}
	for range 3000 {
		l.Take(now, quota.Urgent)
		l.Finished(now)
		now = now.Add(time.Second)
	}
	q = l.Outlook(now)
	if p = planOf(&q); p.Left != 0 || p.Bulk.Why != "the day's calls are used up" || p.Urgent.Tomorrow != 5 {
		t.Errorf("with the day used up: %+v", p)
	}
}
