package console

import (
	_ "embed"
	"net/http"
)

// apiRoutes is everything that programs can ask for; openapi.json describes it, and a test holds the two together.
var apiRoutes = []route{
	{method: "GET", path: "/openapi.json", handle: (*Console).openAPI},

	{method: "GET", path: "/api/status", role: Viewer, handle: (*Console).apiStatus},
	{method: "GET", path: "/api/check", role: Viewer, handle: (*Console).apiCheck},
	{method: "GET", path: "/api/events", role: Viewer, handle: (*Console).apiEvents},
	{method: "POST", path: "/api/events", role: Operator, body: maxPublish, handle: (*Console).apiPublish},
	{method: "GET", path: "/api/events/stream", role: Viewer, handle: (*Console).apiStream},
	{method: "GET", path: "/api/events/{id}", role: Viewer, handle: (*Console).apiEvent},
	{method: "GET", path: "/api/events/{id}/plan", role: Viewer, handle: (*Console).apiPlan},
	{method: "GET", path: "/api/failures", role: Viewer, handle: (*Console).apiFailures},

	{method: "POST", path: "/api/replays", role: Operator, handle: (*Console).apiReplay},
	{method: "POST", path: "/api/discards", role: Operator, handle: (*Console).apiDiscard},
	{method: "POST", path: "/api/discards/{job}/undo", role: Operator, handle: (*Console).apiUndo},
	{method: "GET", path: "/api/jobs", role: Viewer, handle: (*Console).apiJobs},
	{method: "GET", path: "/api/jobs/{id}", role: Viewer, handle: (*Console).apiJob},
	{method: "POST", path: "/api/doubts", role: Operator, handle: (*Console).apiDoubt},
	{method: "POST", path: "/api/erasures", role: Admin, handle: (*Console).apiErase},

	{method: "GET", path: "/api/accounts", role: Viewer, handle: (*Console).apiAccounts},
	{method: "POST", path: "/api/accounts/{account}/pause", role: Operator, handle: (*Console).apiPause},
	{method: "POST", path: "/api/accounts/{account}/resume", role: Operator, handle: (*Console).apiResume},
	{method: "PUT", path: "/api/accounts/{account}", role: Admin, handle: (*Console).apiConfigure},
	{method: "DELETE", path: "/api/accounts/{account}", role: Admin, handle: (*Console).apiUnconfigure},
	{method: "POST", path: "/api/accounts/{account}/proof", role: Operator, handle: (*Console).apiProve},
	{method: "GET", path: "/api/accounts/{account}/hooks", role: Operator, handle: (*Console).apiHooks},
	{method: "POST", path: "/api/accounts/{account}/hooks", role: Operator, handle: (*Console).apiSyncHooks},
	{method: "POST", path: "/api/accounts/{account}/login", role: Admin, handle: (*Console).apiLogin},
	{method: "GET", path: "/api/sources", role: Viewer, handle: (*Console).apiSources},
	{method: "POST", path: "/api/sources/{account}/{source}/test", role: Operator, handle: (*Console).apiTest},
	{method: "GET", path: "/api/rules", role: Viewer, handle: (*Console).apiRules},
	{method: "GET", path: "/api/costs", role: Viewer, handle: (*Console).apiCosts},
	{method: "GET", path: "/api/rates", role: Viewer, handle: (*Console).apiRates},
	{method: "GET", path: "/api/quota", role: Viewer, handle: (*Console).apiQuota},
	{method: "GET", path: "/api/audit", role: Viewer, handle: (*Console).apiAudit},
	{method: "GET", path: "/api/backup", role: Admin, handle: (*Console).apiBackup},
}

//go:embed openapi.json
var openAPIDocument []byte

func (c *Console) openAPI(w http.ResponseWriter, _ *http.Request, _ identity) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(openAPIDocument)
	return err
}
