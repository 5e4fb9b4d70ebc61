package console

import (
	"net/http"

	"bridge/internal/ops"
)

// apiProve asks Keap whether keys work and whether what is named is there.
func (c *Console) apiProve(w http.ResponseWriter, r *http.Request, _ identity) error {
	var in struct {
		Names []ops.Name `json:"names"`
	}
	if err := take(r, &in); err != nil {
		return err
	}
	proof, err := c.Desk.Prove(r.Context(), r.PathValue("account"), in.Names)
	if err != nil {
		return err
	}
	proof.Keys, proof.Names, proof.ActionSets = some(proof.Keys), some(proof.Names), some(proof.ActionSets)
	return reply(w, http.StatusOK, proof)
}

func (c *Console) apiHooks(w http.ResponseWriter, r *http.Request, _ identity) error {
	hooks, err := c.Desk.Hooks(r.Context(), r.PathValue("account"))
	return replyHooks(w, hooks, err)
}

func (c *Console) apiSyncHooks(w http.ResponseWriter, r *http.Request, who identity) error {
	hooks, err := c.Desk.SyncHooks(r.Context(), who.name, r.PathValue("account"))
	return replyHooks(w, hooks, err)
}

func replyHooks(w http.ResponseWriter, hooks []ops.Hook, err error) error {
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		Hooks []ops.Hook `json:"hooks"`
	}{some(hooks)})
}

// apiLogin begins a login, or ends it when the code is there.
func (c *Console) apiLogin(w http.ResponseWriter, r *http.Request, who identity) error {
	var in struct {
		Redirect string `json:"redirect"`
		State    string `json:"state"`
		Code     string `json:"code"`
	}
	if err := take(r, &in); err != nil {
		return err
	}
	var out struct {
		Login      *ops.Login      `json:"login,omitempty"`
		Credential *ops.Credential `json:"credential,omitempty"`
	}
	if in.Code == "" && in.State == "" {
		login, err := c.Desk.BeginLogin(r.Context(), r.PathValue("account"), in.Redirect)
		if err != nil {
			return err
		}
		out.Login = &login
	} else {
		credential, err := c.Desk.EndLogin(r.Context(), who.name, r.PathValue("account"), in.State, in.Code)
		if err != nil {
			return err
		}
		out.Credential = &credential
	}
	return reply(w, http.StatusOK, out)
}
