package console

import (
	"net/http"
	"time"
)

// apiBackup writes everything that is stored, as bridge backup does. It can take longer than requests may: whoever
// goes away ends it. A backup that breaks off has no end, which whoever reads it notices.
func (c *Console) apiBackup(w http.ResponseWriter, r *http.Request, who identity) error {
	if c.Backup == nil {
		return &refusal{status: http.StatusNotFound, detail: "this process makes no backups"}
	}
	if err := c.Desk.Backup(r.Context(), who.name, r.URL.Query().Get("file")); err != nil {
		return err
	}
	// A server without deadlines (a test's) is as good.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="bridge.backup"`)
	return c.Backup(r.Context(), w)
}
