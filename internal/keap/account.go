package keap

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// Profile is the account's own profile.
type Profile struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	TimeZone string `json:"time_zone"`
	Currency string `json:"currency_code"`
}

// Profile reads the account's profile.
func (c *Client) Profile(ctx context.Context) (Profile, error) {
	var p Profile
	_, err := c.do(ctx, get("account.profile", "/rest/v1/account/profile"), &p)
	return p, err
}

// UserInfo says whose credential this is.
type UserInfo struct {
	Email  string
	UserID string
	Admin  bool
	Tenant string // "ab123"; "" where Keap does not say
}

// UserInfo proves the credential with the cheapest call that there is.
func (c *Client) UserInfo(ctx context.Context) (UserInfo, error) {
	var got struct {
		Email  string `json:"email"`
		ID     id     `json:"id"`
		Admin  bool   `json:"is_admin"`
		Tenant id     `json:"tenant_id"`
	}
	a, err := c.do(ctx, get("users.userinfo", "/rest/v2/oauth/connect/userinfo"), &got)
	if err != nil {
		return UserInfo{}, err
	}
	info := UserInfo{Email: got.Email, UserID: string(got.ID), Admin: got.Admin, Tenant: string(got.Tenant)}
	if host := a.header.Get("X-Keap-Tenant-Id"); host != "" {
		info.Tenant = tenant(host)
	}
	return info, nil
}

// tenant takes the application code from a tenant's host: ab123.infusionsoft.com.
func tenant(host string) string {
	code, _, _ := strings.Cut(strings.TrimSpace(host), ".")
	return code
}

// User is somebody who works in the application.
type User struct {
	ID         string
	GivenName  string
	FamilyName string
	Email      string
	Status     string // ACTIVE, INVITED, INACTIVE, NOT_A_USER
}

// Users goes through all users, 100 a request, which is Keap's limit here.
func (c *Client) Users(ctx context.Context, permit Permit) iter.Seq2[User, error] {
	type wire struct {
		made
		GivenName  string `json:"given_name"`
		FamilyName string `json:"family_name"`
		Status     string `json:"status"`
		Emails     []struct {
			Email string `json:"email"`
		} `json:"email_addresses"`
	}
	return v2Pages(ctx, c, get("users.list", "/rest/v2/users"), "users", 100, permit, func(w *wire) User {
		u := User{ID: string(w.ID), GivenName: w.GivenName, FamilyName: w.FamilyName, Status: w.Status}
		if len(w.Emails) > 0 {
			u.Email = w.Emails[0].Email
		}
		return u
	})
}

// Company is a company record, which contacts can be linked to.
type Company struct{ ID, Name string }

// FindCompanies returns the companies of that name, whatever its case.
func (c *Client) FindCompanies(ctx context.Context, name string) ([]Company, error) {
	f := filter{operation: "companies.list"}
	f.equal("company_name", name)
	query, err := f.query("")
	if err != nil {
		return nil, err
	}
	type wire struct {
		made
		Name string `json:"company_name"`
	}
	companies, err := v2List(ctx, c, get(f.operation, "/rest/v2/companies").with(query), "companies", func(w *wire) Company {
		return Company{ID: string(w.ID), Name: w.Name}
	})
	return slices.DeleteFunc(companies, func(found Company) bool {
		return !strings.EqualFold(strings.TrimSpace(found.Name), strings.TrimSpace(name))
	}), err
}

// CreateCompany makes a company record. Repeating it makes a second one.
func (c *Client) CreateCompany(ctx context.Context, name string) (string, error) {
	const operation = "companies.create"
	if err := required(operation, "company_name", name); err != nil {
		return "", err
	}
	return c.create(ctx, post(operation, "/rest/v2/companies", fields{"company_name": name}))
}

// Opportunity is a deal with a contact at a stage of the pipeline.
type Opportunity struct {
	ContactID   string
	Title       string
	StageID     string
	UserID      string
	Notes       string
	RevenueLow  Decimal
	RevenueHigh Decimal
}

// CreateOpportunity makes an opportunity. Not safe to repeat.
func (c *Client) CreateOpportunity(ctx context.Context, o Opportunity) (string, error) {
	const operation = "opportunities.create"
	if err := required(operation, "contact_id", o.ContactID, "opportunity_title", o.Title, "stage_id", o.StageID); err != nil {
		return "", err
	}
	body := fields{"contact_id": o.ContactID, "opportunity_title": o.Title, "stage_id": o.StageID}
	body.put("user_id", o.UserID)
	body.put("opportunity_notes", o.Notes)
	for _, f := range []struct {
		field string
		value Decimal
	}{{"projected_revenue_low", o.RevenueLow}, {"projected_revenue_high", o.RevenueHigh}} {
		if err := amount(operation, f.field, f.value); err != nil {
			return "", err
		}
		if f.value != "" {
			body[f.field] = f.value
		}
	}
	return c.create(ctx, post(operation, "/rest/v2/opportunities", body))
}
