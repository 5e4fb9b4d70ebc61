// Package events holds the words that every other package shares: Event, Delivery, Verdict, Reason,
// Priority, Money, Step, Plan, Ask and Outcome. It has no I/O and declares no service.
//
// The walk of one event through the bridge, each step's last call naming the next file:
//
//	 1 cmd/bridge/serve.go       flags, signals → app.Run(ctx, cfg)
//	 2 app/setup.go              straight wiring, top to bottom = the pipeline left to right
//	 3 ingress/handler.go        POST /hooks/{account}/{source}: cap body → 4 → 5 → 202 (on disk before 202)
//	 4 sources/woocommerce.go …  Open(ctx, Request) (Reply, []Event, error): verify, then parse, in one method
//	 5 queue/intake.go           group commit of raw events → INTAKE              ── durable line ──
//	 6 queue/route.go            INTAKE (and outsiders' INGEST) → recognise resends → enrich → route
//	                             → EVENTS (the whole event, written once) + WORK (a pointer to it); the input is acked last
//	 7 queue/lane.go             one owner per quota group (fenced); pulls urgent, normal, bulk
//	   dispatch/lane.go          events in hand; one contact's events one after another, contacts side by side
//	   dispatch/worker.go        Handle(ctx, Delivery) Verdict: 8, then 9 step by step, remembering each step
//	 8 rules/plan.go             Event → Plan{Steps}    (pure; stored when first made, resumed as stored)
//	 9 calls/planner.go          step → waits for a permit together with everybody else's steps
//	   quota/ledger.go           second, minute, day (and tenant) windows: may one more call go now, else when?
//	   keap/client.go: do        the one door to Keap: send → read quota headers → decode or *keap.Error
//	   dispatch/judge.go         step safety × error × attempt → Verdict   (pure, one table)
//	10 queue/settle.go           Verdict → a record in OUTCOMES → ack | park | bury   ── the only acks ──
//	11 queue/failed.go           failed and in-doubt events, one slot each
//	12 ops/desk.go               list, show, replay, discard, erase: once, for CLI, API and console → back to 6
//	   history/                  answers the questions: an index over EVENTS and OUTCOMES
package events
