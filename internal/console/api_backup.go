package console

import (
	"io"
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
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // a server without deadlines (a test's) is as good
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="bridge.backup"`)
	return c.Backup(r.Context(), patient{w, out})
}

// patient gives whoever reads time for every part, instead of for the whole.
type patient struct {
	io.Writer
	out *http.ResponseController
}

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	_ = p.out.SetWriteDeadline(time.Now().Add(partWithin))
	return p.Writer.Write(b)
}

// partWithin is long: a backup may wait for the store before its next part as well as for its reader.
const partWithin = 2 * time.Minute
