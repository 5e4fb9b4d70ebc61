package sandbox

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
)

// packedSeed is a Seed that is kept for tenants to come: a million contacts take tens of megabytes so.
type packedSeed []byte

// pack cannot fail for a Seed that its check has found right.
func pack(d *Seed) packedSeed {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err == nil {
		err = json.NewEncoder(w).Encode(d)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("sandbox: a seed cannot be packed: %v", err))
	}
	return b.Bytes()
}

func (p packedSeed) unpack() *Seed {
	d := new(Seed)
	if err := json.NewDecoder(flate.NewReader(bytes.NewReader(p))).Decode(d); err != nil {
		panic(fmt.Sprintf("sandbox: a packed seed cannot be read: %v", err))
	}
	return d
}
