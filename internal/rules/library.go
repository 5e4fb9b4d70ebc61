package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Library holds the rule sets that accounts use by name, and remembers what it compiled, so that equal rules
// of ten thousand accounts become one program. Its zero value has no sets. It is safe for concurrent use.
type Library struct {
	sets map[string]*ruleSet

	mu       sync.Mutex
	compiled map[string]*outcome // by the rule's content
}

type ruleSet struct {
	rules []*rule
	with  map[string]bool // parameters: true where they have to be given
}

// outcome is what compiling one rule came to; path and position are the caller's.
type outcome struct {
	rule     *rule
	mistakes []Mistake // paths inside the rule
}

// NewLibrary compiles rule sets. The mistakes are those of each set, by its name; a set with mistakes is known but
// empty, so that using it is no second mistake.
func NewLibrary(sets map[string][]Rule) (*Library, map[string][]Mistake) {
	l := &Library{sets: map[string]*ruleSet{}}
	wrong := map[string][]Mistake{}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		set, mistakes := l.compileSet(sets[name])
		if len(mistakes) > 0 {
			wrong[name] = mistakes
		}
		l.sets[name] = set
	}
	return l, wrong
}

func (l *Library) compileSet(list []Rule) (*ruleSet, []Mistake) {
	set := &ruleSet{with: map[string]bool{}}
	var mistakes []Mistake
	for i := range list {
		at := fmt.Sprintf("[%d]", i)
		if list[i].Use != "" || list[i].With != nil {
			mistakes = append(mistakes, Mistake{Path: at, Text: "a rule set cannot use another one"})
			continue
		}
		r, wrong := l.compile(&list[i])
		mistakes = append(mistakes, under(at, wrong)...)
		if r == nil {
			continue
		}
		set.rules = append(set.rules, r)
		for name, needed := range r.with {
			set.with[name] = set.with[name] || needed
		}
	}
	if len(mistakes) > 0 {
		return &ruleSet{with: set.with}, mistakes
	}
	return set, nil
}

// Compile checks the rules of one account and makes a Set of them. All mistakes are returned; with any, the Set is nil.
func (l *Library) Compile(list []Rule) (*Set, []Mistake) {
	set := &Set{}
	taken := map[string]bool{}
	var mistakes []Mistake
	for i := range list {
		at := fmt.Sprintf("[%d]", i)
		rules, with, wrong := l.entry(&list[i])
		mistakes = append(mistakes, under(at, wrong)...)
		for _, r := range rules {
			if taken[r.name] {
				path := at + ".name"
				if list[i].Use != "" {
					path = at + ".use"
				}
				mistakes = append(mistakes, Mistake{Path: path, Text: fmt.Sprintf("there is already a rule %q", r.name)})
				continue
			}
			taken[r.name] = true
			set.rules = append(set.rules, bound{r, with})
		}
	}
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	return set, nil
}

// entry is one entry of an account's rules: its own rule, or those of a set.
func (l *Library) entry(r *Rule) ([]*rule, map[string]any, []Mistake) {
	if r.Use == "" {
		if r.With != nil {
			return nil, nil, []Mistake{{Path: ".with", Text: "with goes together with use"}}
		}
		compiled, mistakes := l.compile(r)
		if compiled == nil {
			return nil, nil, mistakes
		}
		for _, name := range slices.Sorted(maps.Keys(compiled.with)) {
			mistakes = append(mistakes, Mistake{Text: fmt.Sprintf("with.%s is only there in rule sets", name)})
		}
		return []*rule{compiled}, nil, mistakes
	}
	set, ok := l.sets[r.Use]
	if !ok {
		known := slices.Sorted(maps.Keys(l.sets))
		return nil, nil, []Mistake{{Path: ".use", Text: fmt.Sprintf("there is no rule set %q", r.Use) + suggestion(r.Use, known)}}
	}
	if r.ownWords() {
		return nil, nil, []Mistake{{Text: "an entry with use takes nothing else but with"}}
	}
	var mistakes []Mistake
	for _, name := range slices.Sorted(maps.Keys(set.with)) {
		if _, given := r.With[name]; set.with[name] && !given {
			mistakes = append(mistakes, Mistake{Text: fmt.Sprintf("rule set %s needs with.%s", r.Use, name)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.With)) {
		if _, known := set.with[name]; !known && len(set.rules) > 0 {
			mistakes = append(mistakes, Mistake{Path: ".with" + step(name), Text: fmt.Sprintf("rule set %s has no parameter %s", r.Use, name) +
				suggestion(name, slices.Sorted(maps.Keys(set.with)))})
		}
	}
	return set.rules, r.With, mistakes
}

// ownWords tells whether the rule says anything besides use and with.
func (r *Rule) ownWords() bool {
	return r.Name != "" || r.On != nil || r.Priority != "" || r.When != "" || r.Do != nil || r.Created != nil ||
		r.Updated != nil || r.OnDoubt != "" || r.Tests != nil
}

// compile compiles a rule, or remembers that it did.
func (l *Library) compile(r *Rule) (*rule, []Mistake) {
	plain := *r
	plain.Tests = nil
	key, err := json.Marshal(plain)
	if err != nil {
		return nil, []Mistake{{Text: err.Error()}}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.compiled[string(key)]; ok {
		return o.rule, o.mistakes
	}
	compiled, mistakes := compileRule(&plain)
	if l.compiled == nil {
		l.compiled = map[string]*outcome{}
	}
	l.compiled[string(key)] = &outcome{compiled, mistakes}
	return compiled, mistakes
}

func under(path string, mistakes []Mistake) []Mistake {
	out := make([]Mistake, len(mistakes))
	for i, m := range mistakes {
		m.Path = path + m.Path
		out[i] = m
	}
	return out
}
