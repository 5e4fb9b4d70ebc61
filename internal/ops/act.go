package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
)

// Resolve answers a doubt about one step, given by its number in Show or by its id: it did happen, or it did not. The
// event then goes on.
func (d *Desk) Resolve(ctx context.Context, who string, ref Ref, step string, happened bool) error {
	sheet, err := d.Show(ctx, ref)
	if err != nil {
		return err
	}
	var line *StepLine
	for i := range sheet.Lines {
		if l := &sheet.Lines[i]; l.ID == step || strconv.Itoa(l.N) == step {
			line = l
		}
	}
	if line == nil {
		return fail(NotFound, "bridge events show lists its steps", "event %q has no step %q", ref.ID, step)
	}
	if sheet.State != events.InDoubt || line.State != events.StepDoubt && line.State != events.StepIntended {
		return fail(Conflict, "", "step %s is not in doubt", line.ID)
	}
	answer := "did not happen"
	if happened {
		answer = "happened"
	}
	if err := d.audit(ctx, events.Outcome{Who: who, Action: "resolve", Account: sheet.Account, Target: sheet.ID + " " + line.ID, Detail: answer}); err != nil {
		return err
	}
	return d.Work.Resolve(ctx, sheet.Account, sheet.Key, sheet.Seq, line.ID, happened)
}

// Erase removes a person's data everywhere but in backups, and tells how many events held it. contact is an e-mail
// address. The audit says that somebody was erased, not who.
func (d *Desk) Erase(ctx context.Context, who, contact string) (int, error) {
	contact = events.NormalEmail(contact)
	if at := strings.LastIndexByte(contact, '@'); at < 1 || at == len(contact)-1 {
		return 0, fail(Invalid, "", "an e-mail address is needed")
	}
	var rows []events.Row
	err := d.pages(ctx, events.Filter{Contact: contact}, func(row events.Row) error {
		// The index compares hashes; the event itself decides.
		e, err := d.Archive.Stored(ctx, row.Account, row.Key, row.Seq)
		if err != nil {
			return err
		}
		if e != nil && e.Data.Contact != nil && events.NormalEmail(e.Data.Contact.Email) == contact {
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := d.audit(ctx, events.Outcome{Who: who, Action: "erase", Detail: fmt.Sprintf("%d events", len(rows))}); err != nil {
		return 0, err
	}
	return d.Work.Erase(ctx, contact, rows)
}

// Remaining says where erased data may still be: backups that were made, and what the store keeps for a while.
func (d *Desk) Remaining(ctx context.Context) ([]string, error) {
	const looked = 1000 // of the newest changes
	lines, err := d.Records.Audit(ctx, "", looked)
	if err != nil {
		return nil, err
	}
	remain := slices.Clone(d.Remains)
	for _, l := range lines {
		if l.Action == ActionBackup {
			remain = append(remain, strings.TrimSpace(fmt.Sprintf("the backup of %s by %s %s", l.At.UTC().Format(time.RFC3339), l.Who, l.Target)))
		}
	}
	return remain, nil
}

// ActionBackup is what the audit calls a backup; its target is the file, where that is known.
const ActionBackup = "backup"

// Backup records that somebody makes a backup, to a file where that is known.
func (d *Desk) Backup(ctx context.Context, who, file string) error {
	return d.audit(ctx, events.Outcome{Who: who, Action: ActionBackup, Target: file})
}

// Pause stops calling Keap for an account until Resume. Its events wait.
func (d *Desk) Pause(ctx context.Context, who, account string) error {
	return d.switched(ctx, who, "pause", account, d.Switches.Pause)
}

// Resume ends a pause.
func (d *Desk) Resume(ctx context.Context, who, account string) error {
	return d.switched(ctx, who, "resume", account, d.Switches.Resume)
}

func (d *Desk) switched(ctx context.Context, who, action, account string, turn func(context.Context, string) error) error {
	if _, err := d.Account(ctx, account); err != nil {
		return err
	}
	if err := d.audit(ctx, events.Outcome{Who: who, Action: action, Account: account}); err != nil {
		return err
	}
	return turn(ctx, account)
}

// Account gives one configured account as it runs.
func (d *Desk) Account(ctx context.Context, name string) (Account, error) {
	accounts, err := d.Live.Accounts(ctx)
	if err != nil {
		return Account{}, err
	}
	for i := range accounts {
		if accounts[i].Name == name {
			return accounts[i], nil
		}
	}
	return Account{}, fail(NotFound, "", "there is no account %q", name)
}

// Publish takes CloudEvents for a source of kind nats.
func (d *Desk) Publish(ctx context.Context, account, source string, cloudEvents []json.RawMessage) ([]Published, error) {
	if len(cloudEvents) == 0 {
		return nil, fail(Invalid, "", "there are no events")
	}
	return d.Switches.Publish(ctx, account, source, cloudEvents)
}

// Test sends a sample event to a source, signed as its sender would.
func (d *Desk) Test(ctx context.Context, who, account, source string) (string, error) {
	if err := d.audit(ctx, events.Outcome{Who: who, Action: "test", Account: account, Target: source}); err != nil {
		return "", err
	}
	return d.Switches.Test(ctx, account, source)
}

// Audit records a change that somebody made elsewhere: to an account's configuration, for example.
func (d *Desk) Audit(ctx context.Context, who, action, account, detail string) error {
	return d.audit(ctx, events.Outcome{Who: who, Action: action, Account: account, Detail: detail})
}
