package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ErrOneFile is what changing accounts by program gives when the configuration is one file, which people write.
var ErrOneFile = errors.New("accounts can be put and deleted only where the configuration is a directory")

// ErrNoAccount is what removing an account gives that is not there.
var ErrNoAccount = errors.New("there is no such account")

// Put writes the body of one account, YAML or JSON, into the directory of c, once it has no mistakes beside the rest of c:
// in place of the file that holds the account alone, which then takes its name, or as <name>.yaml; Reload puts it in force. What is wrong comes as Mistakes. References (${env:…}) are not taken:
// whoever may put accounts need not be allowed to read this machine's files.
func Put(c *Config, name string, body []byte) error {
	own, err := c.ownFile(name)
	if err != nil {
		return err
	}
	path := own
	if stem(own) != name { // a bare body is named like its file
		path = filepath.Join(c.Path, name+".yaml")
		if _, err := os.Lstat(path); err == nil {
			return Mistakes{{File: own, Text: "this file holds account " + name + ", and " + path + " is there too", Hint: "give both the names of their accounts"}}
		}
	}
	f := &file{path: path}
	f.d = &decoder{file: name, expander: expander{closed: true}}
	f.decode(body)
	if f.body != nil && !f.isAccount() && len(f.d.mistakes) == 0 {
		f.d.wrong(place{}, "the body of one account is expected here", "{app: ab123, keap: {…}, …}")
	}
	if len(f.d.mistakes) == 0 {
		assemble(c.Path, append(c.others(own), f), time.Now())
	}
	if len(f.d.mistakes) > 0 {
		return f.d.mistakes.sort()
	}
	if path != own {
		if err := os.Rename(own, path); err != nil { // a whole document is the same account under any name
			return err
		}
	}
	return replaceFile(path, body)
}

// Remove deletes the file of an account that Put, or a person, wrote as <name>.yaml into the directory of c.
func Remove(c *Config, name string) error {
	path, err := c.ownFile(name)
	if err != nil {
		return err
	}
	if c.Accounts[name] == nil {
		return ErrNoAccount
	}
	return os.Remove(path)
}

// ownFile is the file that holds the account and nothing else, whether it is there or not.
func (c *Config) ownFile(name string) (string, error) {
	if !nameForm.MatchString(name) {
		return "", Mistakes{{File: "account", Text: fmt.Sprintf("an account's name is 1 to 40 of a-z, 0-9 and -, not %s", shown(name))}}
	}
	if info, err := os.Stat(c.Path); err != nil || !info.IsDir() {
		return "", ErrOneFile
	}
	path := filepath.Join(c.Path, name+".yaml")
	if a := c.Accounts[name]; a != nil {
		path = a.File
	}
	versions := []*file{c.files[path]}
	if _, err := os.Lstat(path); err == nil { // somebody may have added to it since
		versions = append(versions, readFile(path, os.LookupEnv))
	}
	for _, f := range versions {
		if f != nil && !f.holdsOnly(name) {
			return "", Mistakes{{File: path, Text: "this file holds more than account " + name, Hint: "change it there"}}
		}
	}
	return path, nil
}

// holdsOnly tells whether nothing but the account, or nothing at all, would be lost with the file.
func (f *file) holdsOnly(name string) bool {
	others := len(f.doc.RuleSets) + len(f.doc.Notify)
	for account := range f.doc.Accounts {
		if account != name {
			others++
		}
	}
	return others == 0
}

// others are the files of c but one, as they are in force.
func (c *Config) others(path string) []*file {
	var files []*file
	for p, f := range c.files {
		if p != path {
			kept := *f
			kept.old = true
			files = append(files, &kept)
		}
	}
	return files
}

// replaceFile writes a file so that readers see the old content or the new one.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600; hidden files are not read
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
