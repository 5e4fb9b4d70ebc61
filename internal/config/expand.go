package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// reference is ${env:NAME} or ${file:PATH} in a text.
var reference = regexp.MustCompile(`\$\{(env|file):([^}\n]*)\}`)

// YAML ends an unquoted text inside { } at the brace of a reference. People write secret: ${env:NAME} there all the same,
// so references are disguised while YAML is parsed, one character by one, which keeps every column.
var (
	disguise = strings.NewReplacer("{", "\uf8e0", "}", "\uf8e1", ":", "\uf8e2", ",", "\uf8e3", "[", "\uf8e4", "]", "\uf8e5", "#", "\uf8e6")
	reveal   = strings.NewReplacer("\uf8e0", "{", "\uf8e1", "}", "\uf8e2", ":", "\uf8e3", ",", "\uf8e4", "[", "\uf8e5", "]", "\uf8e6", "#")
)

func disguised(content []byte) []byte {
	return reference.ReplaceAllFunc(content, func(ref []byte) []byte { return []byte(disguise.Replace(string(ref))) })
}

// maxSecretFile bounds what ${file:} reads.
const maxSecretFile = 64 << 10

// expander reads what references stand for. What it reads is secret: it goes into no message.
type expander struct {
	folder string                      // that paths are relative to
	lookup func(string) (string, bool) // os.LookupEnv
	closed bool                        // references are not taken
}

// expand replaces the references in text. wrong describes the first one that cannot be read, with a hint.
func (x *expander) expand(text string) (value string, expanded bool, wrong, hint string) {
	value = reference.ReplaceAllStringFunc(text, func(ref string) string {
		expanded = true
		m := reference.FindStringSubmatch(ref)
		value, text, advice := x.read(m[1], strings.TrimSpace(m[2]))
		if wrong == "" {
			wrong, hint = text, advice
		}
		return value
	})
	return value, expanded, wrong, hint
}

func (x *expander) read(kind, name string) (value, wrong, hint string) {
	if x.closed {
		return "", "${env:…} and ${file:…} are not taken here", "give the value itself"
	}
	if name == "" {
		return "", fmt.Sprintf("${%s:} names nothing", kind), ""
	}
	if kind == "env" {
		value, ok := x.lookup(name)
		if !ok {
			return "", "the environment variable " + name + " is not set", "export " + name + "=…, or take this line out"
		}
		return value, "", ""
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(x.folder, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", "the file " + name + " cannot be read: " + cause(err), "paths are relative to the configuration file"
	case info.Size() > maxSecretFile || !info.Mode().IsRegular():
		return "", fmt.Sprintf("%s is no regular file of at most %d bytes", name, maxSecretFile), ""
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", "the file " + name + " cannot be read: " + cause(err), ""
	}
	return strings.TrimRight(string(content), "\r\n"), "", ""
}

// cause is the reason of a failed file operation without the path, which the caller has said in its own words.
func cause(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}
