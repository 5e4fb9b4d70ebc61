package sandbox

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
)

//go:embed countries.txt
var countriesFile string

//go:embed regions.txt
var regionsFile string

type country struct{ alpha3, alpha2, name string }

// countries are ISO 3166-1: the lines "USA US United States".
var countries = func() map[string]country {
	out := map[string]country{}
	for line := range strings.Lines(countriesFile) {
		alpha3, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		alpha2, name, _ := strings.Cut(rest, " ")
		out[alpha3] = country{alpha3, alpha2, name}
	}
	return out
}()

type region struct{ code, name string }

// regions are the ISO 3166-2 subdivisions of the countries that Keap's clients trip over most; the lines "USA AZ
// Arizona". Of every other country any region is taken as it is.
var regions = func() map[string][]region {
	out := map[string][]region{}
	for line := range strings.Lines(regionsFile) {
		country, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		code, name, _ := strings.Cut(rest, " ")
		out[country] = append(out[country], region{code, name})
	}
	return out
}()

// countryName is the name of an alpha-3 code, "" where there is none.
func countryName(alpha3 string) string { return countries[alpha3].name }

// regionOf finds a region given as "Arizona", "AZ" or "US-AZ": its name and its ISO 3166-2 code.
func regionOf(alpha3, given string) (name, code string, ok bool) {
	known := regions[alpha3]
	prefix := countries[alpha3].alpha2 + "-"
	if len(known) == 0 {
		if strings.HasPrefix(given, prefix) {
			return given, given, true
		}
		return given, "", true
	}
	for _, r := range known {
		if strings.EqualFold(given, r.name) || strings.EqualFold(given, r.code) || strings.EqualFold(given, prefix+r.code) {
			return r.name, prefix + r.code, true
		}
	}
	return "", "", false
}

func countries1(*tenant, *call) reply {
	out := map[string]string{}
	for code, c := range countries {
		out[code] = c.name
	}
	return ok(map[string]any{"countries": out})
}

func provinces1(_ *tenant, c *call) reply {
	if countryName(c.args[0]) == "" {
		return c.notFound("Country", c.args[0])
	}
	out := map[string]string{}
	for _, r := range regions[c.args[0]] {
		out[countries[c.args[0]].alpha2+"-"+r.code] = r.name
	}
	return ok(map[string]any{"provinces": out})
}

func countries2(*tenant, *call) reply {
	type codes struct {
		Alpha2 string `json:"alpha2"`
		Alpha3 string `json:"alpha3"`
	}
	type row struct {
		Codes codes  `json:"codes"`
		Name  string `json:"name"`
	}
	out := []row{}
	for _, code := range slices.Sorted(maps.Keys(countries)) {
		c := countries[code]
		out = append(out, row{codes{c.alpha2, c.alpha3}, c.name})
	}
	return ok(map[string]any{"countries": out, "next_page_token": ""})
}

func provinces2(_ *tenant, c *call) reply {
	if countryName(c.args[0]) == "" {
		return c.notFound("Country", c.args[0])
	}
	type row struct {
		Code    string `json:"code"`
		Name    string `json:"name"`
		Country string `json:"country"`
	}
	out := []row{}
	for _, r := range regions[c.args[0]] {
		out = append(out, row{countries[c.args[0]].alpha2 + "-" + r.code, r.name, c.args[0]})
	}
	return ok(map[string]any{"provinces": out, "next_page_token": ""})
}
