package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
)

// readPlaces reads postal addresses. v1 takes region as name, code or ISO 3166-2; v2 wants region_code. Both want
// the country where there is a region, as ISO 3166-1 alpha-3.
func readPlaces(w *write, name string, raw json.RawMessage) error {
	var v1 []struct {
		Field    string `json:"field"`
		Line1    string `json:"line1"`
		Line2    string `json:"line2"`
		Locality string `json:"locality"`
		Region   string `json:"region"`
		Postal   string `json:"postal_code"`
		Zip      string `json:"zip_code"`
		ZipFour  string `json:"zip_four"`
		Country  string `json:"country_code"`
	}
	var v2 []struct {
		Field       string `json:"field"`
		Line1       string `json:"line1"`
		Line2       string `json:"line2"`
		Locality    string `json:"locality"`
		Region      string `json:"region"`
		RegionCode  string `json:"region_code"`
		Postal      string `json:"postal_code"`
		Zip         string `json:"zip_code"`
		ZipFour     string `json:"zip_four"`
		Country     string `json:"country_code"`
		CountryName string `json:"country"`
	}
	var got []place
	if w.c.version == 1 {
		if err := w.nested(name, raw, &v1); err != nil {
			return err
		}
		for _, a := range v1 {
			got = append(got, place{field: a.Field, line1: a.Line1, line2: a.Line2, locality: a.Locality, region: a.Region,
				postal: a.Postal, zip: a.Zip, zipFour: a.ZipFour, country: a.Country})
		}
	} else {
		if err := w.nested(name, raw, &v2); err != nil {
			return err
		}
		for _, a := range v2 {
			got = append(got, place{field: a.Field, line1: a.Line1, line2: a.Line2, locality: a.Locality, region: a.Region,
				regionCode: a.RegionCode, postal: a.Postal, zip: a.Zip, zipFour: a.ZipFour, country: a.Country})
		}
	}
	for i := range got {
		if err := got[i].settle(); err != nil {
			return err
		}
	}
	w.places = len(got)
	w.then(func(c *contact) {
		c.with().places = mergeItems(w.c.version, c.with().places, got, func(p place) string { return p.field })
	})
	return nil
}

// settle checks an address and gives its region both forms.
func (p *place) settle() error {
	if p.field != "BILLING" && p.field != "SHIPPING" && p.field != "OTHER" {
		return fmt.Errorf("addresses: field is %q, want BILLING, SHIPPING or OTHER", p.field)
	}
	if p.postal != "" && p.zip != "" {
		return fmt.Errorf("%s: postal_code and zip_code are given, want one of them", p.field)
	}
	if (p.region != "" || p.regionCode != "") && p.country == "" {
		return fmt.Errorf("%s COUNTRY CODE needed if Region Exists", p.field)
	}
	if p.country != "" && countryName(p.country) == "" {
		return fmt.Errorf("%s Country is invalid", p.field)
	}
	if p.region != "" || p.regionCode != "" {
		name, code, ok := regionOf(p.country, p.region+p.regionCode)
		if !ok {
			return fmt.Errorf("%s Region is invalid", p.field)
		}
		p.region, p.regionCode = name, code
	}
	return p.lengths()
}

func (p *place) lengths() error {
	line, locality, postal := 100, 100, 15
	switch p.field {
	case "BILLING":
		line, locality = 75, 50
	case "SHIPPING":
		postal = 20
	}
	for _, l := range []struct {
		name, value string
		most        int
	}{
		{"line1", p.line1, line}, {"line2", p.line2, line}, {"locality", p.locality, locality},
		{"postal_code", p.postal, postal}, {"zip_code", p.zip, postal}, {"zip_four", p.zipFour, 10}, {"region", p.region, 50},
	} {
		if err := length(strings.ToLower(p.field)+" "+l.name, l.value, l.most); err != nil {
			return err
		}
	}
	return nil
}
