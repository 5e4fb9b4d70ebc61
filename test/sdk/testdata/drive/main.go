// Command drive calls the Keap sandbox through clients that were generated from Keap's OpenAPI documents a moment
// ago: drive v1|v2 ADDRESS KEY. It prints a line for each thing that is not as the documents say, and fails when
// there is one. The test that runs it puts it beside the generated packages; it is no part of the bridge.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Println("drive v1|v2 ADDRESS KEY")
		os.Exit(2)
	}
	d := &driver{ctx: context.Background()}
	drive := map[string]func(d *driver, address, key string){"v1": driveV1, "v2": driveV2}[os.Args[1]]
	drive(d, strings.TrimSuffix(os.Args[2], "/"), os.Args[3])
	fmt.Printf("%s: %d calls, %d mistakes\n", os.Args[1], d.calls, d.mistakes)
	if d.mistakes > 0 || d.calls == 0 {
		os.Exit(1)
	}
}

type driver struct {
	ctx             context.Context
	calls, mistakes int
}

func (d *driver) wrong(format string, args ...any) {
	d.mistakes++
	fmt.Printf("WRONG "+format+"\n", args...)
}

// answered is what every generated answer has.
type answered interface{ StatusCode() int }

// fine checks a call: no transport or decoding error, the documented status, and a body of the documented type where
// there is one. It gives an empty value where that is missing, so that the drive goes on.
func fine[T any](d *driver, what string, status int, parsed *T, r answered, err error) T {
	d.calls++
	var empty T
	switch {
	case err != nil:
		d.wrong("%s: %v", what, err)
	case r.StatusCode() != status:
		d.wrong("%s: answered %d, want %d: %s", what, r.StatusCode(), status, bodyOf(r))
	case parsed == nil:
		d.wrong("%s: the answer has no body of the documented type: %s", what, bodyOf(r))
	default:
		return *parsed
	}
	return empty
}

// status checks a call that answers no body that is looked at.
func status(d *driver, what string, want int, r answered, err error) {
	d.calls++
	if err != nil {
		d.wrong("%s: %v", what, err)
	} else if r.StatusCode() != want {
		d.wrong("%s: answered %d, want %d: %s", what, r.StatusCode(), want, bodyOf(r))
	}
}

func bodyOf(r answered) string {
	if b, ok := r.(interface{ GetBody() []byte }); ok {
		return string(b.GetBody())
	}
	b, _ := json.Marshal(r)
	var answer struct{ Body []byte }
	_ = json.Unmarshal(b, &answer)
	return string(answer.Body)
}

// body makes a request of a generated type; a property that the type has not is a mistake of the drive.
func body[T any](text string) T {
	var v T
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		panic(fmt.Sprintf("%T: %v", v, err))
	}
	return v
}

// value is what a pointer points to.
func value[T any](p *T) T {
	var empty T
	if p == nil {
		return empty
	}
	return *p
}

// revokedKey is one that the sandbox was told to refuse.
const revokedKey = "KeapAK-revoked"

// control tells the sandbox how to behave from now on.
func (d *driver) control(address, what, text string) {
	r, err := http.Post(address+"/sandbox/"+what, "application/json", strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	_ = r.Body.Close()
	if r.StatusCode >= 300 {
		panic(what + ": " + r.Status)
	}
}

func bearer(key string) func(context.Context, *http.Request) error {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}
}
