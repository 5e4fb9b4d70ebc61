package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"bridge/internal/rules"
)

// Config is a whole configuration, checked. It is not changed once it is loaded.
type Config struct {
	Accounts map[string]*Account
	RuleSets map[string][]rules.Rule
	Notify   []Notify
	Warnings Mistakes // what works, but deserves a look

	Path     string // file or directory
	files    map[string]*file
	setFiles map[string]string // of each rule set
}

// document is what one file says.
type document struct {
	Accounts map[string]*Account     `yaml:"accounts" doc:"Keap accounts by name"`
	RuleSets map[string][]rules.Rule `yaml:"rule_sets" doc:"rules that many accounts use: rules: [{use: name, with: {…}}]"`
	Notify   []Notify                `yaml:"notify" doc:"who is told when something needs a person"`
}

// file is one file in the form in which it is in force.
type file struct {
	path     string
	doc      document
	bases    map[string]ast.Node // node of each account, while it is being loaded
	body     ast.Node
	d        *decoder
	warnings Mistakes
	tests    map[string]int // line of each test of a rule, by its path
	old      bool           // an older version, because the present one has mistakes
}

// FileMistakes are the mistakes of one file of a configuration.
type FileMistakes struct {
	File     string   `json:"file"`
	Kept     bool     `json:"kept"` // its old version stays in force; false: it had none
	Mistakes Mistakes `json:"mistakes"`
}

// maxFile bounds one configuration file.
const maxFile = 64 << 20

// Load reads a configuration: one file, or a directory whose *.yaml and *.yml files each hold either a whole document
// or the body of one account, which is then named like the file. The error is Mistakes.
func Load(path string) (*Config, error) {
	c, wrong := load(nil, path, os.LookupEnv)
	if all := Joined(wrong); len(all) > 0 {
		return nil, all
	}
	return c, nil
}

// LoadValid reads a configuration as Load does, but leaves the files of a directory out that have mistakes, and lists them:
// one account's mistake is no reason to serve none. The error is Mistakes, where no account is left.
func LoadValid(path string) (*Config, []FileMistakes, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		c, err := Load(path)
		return c, nil, err
	}
	c, wrong := load(&Config{Path: path}, path, os.LookupEnv)
	if len(wrong) > 0 && len(c.Accounts) == 0 {
		return nil, nil, Joined(wrong)
	}
	return c, wrong, nil
}

// Joined are the mistakes of all files.
func Joined(wrong []FileMistakes) Mistakes {
	var all Mistakes
	for _, f := range wrong {
		all = append(all, f.Mistakes...)
	}
	return all
}

// Reload reads the configuration of old again. A file with mistakes keeps the version that old has of it, and is listed; the others
// take effect together. A file that is gone takes its accounts along.
func Reload(old *Config) (*Config, []FileMistakes) {
	return load(old, old.Path, os.LookupEnv)
}

func load(old *Config, path string, lookup func(string) (string, bool)) (*Config, []FileMistakes) {
	paths, err := list(path)
	if err != nil {
		all := []FileMistakes{{File: path, Kept: old != nil, Mistakes: Mistakes{{File: path, Text: err.Error(), Hint: "BRIDGE_CONFIG or --config names the configuration"}}}}
		return old, all
	}
	read := map[string]*file{}
	for _, p := range paths {
		read[p] = readFile(p, lookup)
	}
	if old == nil {
		return first(path, paths, read)
	}
	return next(path, paths, read, old)
}

// first takes every file as it is, so that one with a mistake does not make others wrong that rely on its rule sets.
func first(path string, paths []string, read map[string]*file) (*Config, []FileMistakes) {
	var files []*file
	for _, p := range paths {
		files = append(files, read[p])
	}
	c := assemble(path, files, time.Now())
	var wrong []FileMistakes
	for _, f := range files {
		if len(f.d.mistakes) > 0 {
			wrong = append(wrong, FileMistakes{File: f.path, Mistakes: f.d.mistakes.sort()})
		}
	}
	release(files)
	return c, wrong
}

// next puts the old version of a file in the place of one with mistakes, until what is left fits together: a rule set
// that is gone makes the files wrong that use it.
func next(path string, paths []string, read map[string]*file, old *Config) (*Config, []FileMistakes) {
	var wrong []FileMistakes
	refused := map[string]bool{}
	refuse := func(files []*file) bool {
		before := len(refused)
		for _, f := range files {
			if !f.old && len(f.d.mistakes) > 0 {
				refused[f.path] = true
				wrong = append(wrong, FileMistakes{File: f.path, Kept: old.files[f.path] != nil, Mistakes: f.d.mistakes.sort()})
			}
		}
		return len(refused) > before
	}
	for {
		files := current(paths, read, refused, old)
		if refuse(files) {
			continue
		}
		if c := assemble(path, files, time.Now()); !refuse(files) {
			release(files)
			return c, wrong
		}
	}
}

// current picks the version of each file that counts: the one just read, or an old one where that was refused.
func current(paths []string, read map[string]*file, refused map[string]bool, old *Config) []*file {
	var files []*file
	for _, p := range paths {
		switch {
		case !refused[p]:
			files = append(files, read[p])
		case old.files[p] != nil:
			kept := *old.files[p]
			kept.old = true
			files = append(files, &kept)
		}
	}
	return files
}

func list(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.New("the configuration cannot be read: " + cause(err))
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, errors.New("the directory cannot be read: " + cause(err))
	}
	var paths []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if !e.IsDir() && (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			paths = append(paths, filepath.Join(path, e.Name()))
		}
	}
	return paths, nil
}

// readFile decodes one file and checks all of it but rules.
func readFile(path string, lookup func(string) (string, bool)) *file {
	f := &file{path: path}
	f.d = &decoder{file: path, expander: expander{folder: filepath.Dir(path), lookup: lookup}}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf(": larger than %d MiB", maxFile>>20)
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		f.d.wrong(place{}, "the file cannot be read: "+cause(err), "")
		return f
	}
	f.decode(content)
	return f
}

// decode reads the content: a document, or one account that is named like the file.
func (f *file) decode(content []byte) {
	f.bases = map[string]ast.Node{}
	f.body = f.d.parse(content)
	if f.body == nil {
		if len(f.d.mistakes) == 0 {
			f.d.wrong(place{}, "the file is empty", "it begins with accounts:")
		}
		return
	}
	if f.isAccount() {
		name := stem(f.path)
		a := &Account{}
		f.d.decode(f.body, reflect.ValueOf(a).Elem())
		f.doc.Accounts = map[string]*Account{name: a}
		f.bases[name] = f.body
	} else {
		f.d.decode(f.body, reflect.ValueOf(&f.doc).Elem())
		list, _ := f.d.find(f.body, "accounts")
		entries, _ := pairs(f.d.follow(list))
		for _, e := range entries {
			f.bases[keyText(e.Key)] = e.Value
		}
	}
	f.check()
}

// stem is the name of a file without its folder and what follows the dot.
func stem(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }

// isAccount tells the body of an account from a document: it has an account's keys and none of a document's.
func (f *file) isAccount() bool {
	entries, ok := pairs(f.body)
	if !ok {
		return false
	}
	account, doc := keysOf(reflect.TypeFor[Account]()), keysOf(reflect.TypeFor[document]())
	found := false
	for _, e := range entries {
		if _, ok := doc.index[keyText(e.Key)]; ok {
			return false
		}
		_, ok := account.index[keyText(e.Key)]
		found = found || ok
	}
	return found
}

func (f *file) check() {
	for _, m := range f.d.mistakes {
		f.d.broken[place{m.Line, m.Column}] = true
	}
	for _, name := range slices.Sorted(maps.Keys(f.doc.Accounts)) {
		a := f.doc.Accounts[name]
		if a == nil {
			a = &Account{}
			f.doc.Accounts[name] = a
		}
		a.Name, a.File = name, f.path
		f.at(name).account(name, a)
	}
	for name := range f.doc.RuleSets {
		if name == "" {
			f.top().wrong("rule_sets", "a rule set needs a name", "")
		}
	}
	f.findTests()
	for i := range f.doc.Notify {
		f.top().below(fmt.Sprintf("notify[%d]", i)).notify(&f.doc.Notify[i])
	}
}

// findTests remembers where tests stand, for their results.
func (f *file) findTests() {
	f.tests = map[string]int{}
	note := func(c *checker, inside, path string, list []rules.Rule) {
		for i := range list {
			for j := range list[i].Tests {
				at := fmt.Sprintf("[%d].tests[%d]", i, j)
				f.tests[path+at] = c.spot(inside + at).line
			}
		}
	}
	for name, a := range f.doc.Accounts {
		note(f.at(name), "rules", pathTo("accounts", name)+".rules", a.Rules)
	}
	for name, set := range f.doc.RuleSets {
		note(f.top(), pathTo("rule_sets", name), pathTo("rule_sets", name), set)
	}
}

func (f *file) at(account string) *checker {
	return &checker{d: f.d, node: f.bases[account], warn: &f.warnings}
}

func (f *file) top() *checker { return &checker{d: f.d, node: f.body, warn: &f.warnings} }

// release drops what only loading needs; a configuration of ten thousand accounts would keep it all.
func release(files []*file) {
	for _, f := range files {
		f.d, f.body, f.bases = nil, nil, nil
	}
}

// assemble puts files together. What goes wrong between them (a name that two files use, rules) becomes a mistake of the later one.
func assemble(path string, files []*file, now time.Time) *Config {
	c := &Config{Accounts: map[string]*Account{}, RuleSets: map[string][]rules.Rule{}, Path: path, files: map[string]*file{}, setFiles: map[string]string{}}
	from := map[string]*file{}
	for _, f := range files {
		c.files[f.path] = f
		for name, set := range f.doc.RuleSets {
			if other, double := from[name]; double && !f.old {
				f.top().wrong(pathTo("rule_sets", name), fmt.Sprintf("%s has a rule set %s already", other.path, shown(name)), "")
				continue
			}
			c.RuleSets[name], from[name], c.setFiles[name] = set, f, f.path
		}
	}
	library, wrong := rules.NewLibrary(c.RuleSets)
	for name, mistakes := range wrong {
		for _, m := range mistakes {
			if f := from[name]; !f.old {
				f.top().rule(pathTo("rule_sets", name), m)
			}
		}
	}
	for _, f := range files {
		c.take(f, library, now)
	}
	if len(c.Accounts) == 0 {
		c.Warnings = append(c.Warnings, Mistake{File: path, Text: "there are no accounts"})
	}
	c.Warnings = c.Warnings.sort()
	return c
}

func (c *Config) take(f *file, library *rules.Library, now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(f.doc.Accounts)) {
		a := f.doc.Accounts[name]
		if other, double := c.Accounts[name]; double {
			if !f.old {
				f.at(name).wrong("", fmt.Sprintf("%s has an account %s already", other.File, shown(name)), "")
			}
			continue
		}
		c.Accounts[name] = a
		if f.old {
			continue // it keeps the rules that it was loaded with
		}
		var mistakes []rules.Mistake
		a.Set, mistakes = library.Compile(a.Rules)
		for _, m := range mistakes {
			f.at(name).rule("rules", m)
		}
		if a.Set != nil {
			f.at(name).actionSets(a, c.RuleSets, now)
		}
	}
	c.Notify = append(c.Notify, f.doc.Notify...)
	c.Warnings = append(c.Warnings, f.warnings...)
}
