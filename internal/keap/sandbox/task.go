package sandbox

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

type task struct {
	contact, user        ref
	title, body, kind    string
	priority             int
	due, created, edited time.Time
	completed            time.Time // zero: open
	remind               int       // minutes
}

type v1Task struct {
	ID        ref       `json:"id"`
	Title     string    `json:"title"`
	Body      string    `json:"description"`
	Type      string    `json:"type"`
	Priority  int       `json:"priority"`
	Completed bool      `json:"completed"`
	Contact   *v1Person `json:"contact,omitempty"`
	User      ref       `json:"user_id,omitempty"`
	Due       string    `json:"due_date,omitempty"`
	Created   string    `json:"creation_date"`
	Edited    string    `json:"modification_date"`
	Done      string    `json:"completion_date,omitempty"`
	Remind    int       `json:"remind_time,omitempty"`
}

type v1Person struct {
	ID    ref    `json:"id"`
	Email string `json:"email"`
	First string `json:"first_name"`
	Last  string `json:"last_name"`
}

func (t *tenant) person1(id ref) *v1Person {
	x, found := t.contactByID(id)
	if !found {
		return nil
	}
	return &v1Person{id, x.emails[0], x.given, x.family}
}

type v2Task struct {
	ID        string `json:"id"`
	Title     string `json:"title"`
	Body      string `json:"description"`
	Type      string `json:"type,omitempty"`
	Priority  string `json:"priority"`
	Completed bool   `json:"completed"`
	Accepted  bool   `json:"accepted"`
	Contact   string `json:"contact_id,omitempty"`
	User      string `json:"assigned_to_user_id,omitempty"`
	Author    string `json:"created_by_user_id"`
	Editor    string `json:"last_updated_by_user_id"`
	Due       string `json:"due_time,omitempty"`
	Created   string `json:"create_time"`
	Edited    string `json:"modification_time"`
	Done      string `json:"completion_time,omitempty"`
	Remind    int    `json:"remind_time_mins,omitempty"`
}

// priorities are v2's words for v1's 1, 2, 3.
var priorities = []string{"CRITICAL", "ESSENTIAL", "NONESSENTIAL"}

var reminders = []int{0, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880}

func (t *tenant) task1(id ref, x *task) v1Task {
	return v1Task{ID: id, Title: x.title, Body: x.body, Type: cmp.Or(x.kind, "Other"), Priority: x.priority, Completed: !x.completed.IsZero(),
		Contact: t.person1(x.contact), User: x.user, Due: stamp(x.due), Created: stamp(x.created), Edited: stamp(x.edited), Done: stamp(x.completed), Remind: x.remind}
}

func (t *tenant) task2(id ref, x *task) v2Task {
	return v2Task{ID: id.String(), Title: x.title, Body: x.body, Type: x.kind, Priority: priorities[x.priority-1], Completed: !x.completed.IsZero(),
		Contact: x.contact.text(), User: x.user.text(), Author: "1", Editor: "1", Due: stamp(x.due), Created: stamp(x.created), Edited: stamp(x.edited),
		Done: stamp(x.completed), Remind: x.remind}
}

// v1TaskIn is what v1 takes. It takes back all that it answers, so that a client may change what it has read.
type v1TaskIn struct {
	ID        ref      `json:"id"`
	Title     string   `json:"title"`
	Body      string   `json:"description"`
	Type      string   `json:"type"`
	Priority  int      `json:"priority"`
	Completed *bool    `json:"completed"`
	User      ref      `json:"user_id"`
	Due       instant  `json:"due_date"`
	Created   instant  `json:"creation_date"`
	Edited    instant  `json:"modification_date"`
	Done      instant  `json:"completion_date"`
	Remind    int      `json:"remind_time"`
	URL       string   `json:"url"`
	Funnel    ref      `json:"funnel_id"`
	JGraph    ref      `json:"jgraph_id"`
	Contact   v1Person `json:"contact"`
}

// into writes what is given onto a task.
func (in *v1TaskIn) into(c *call, x *task) {
	x.contact, x.user, x.title, x.body = cmp.Or(in.Contact.ID, x.contact), cmp.Or(in.User, x.user), cmp.Or(in.Title, x.title), cmp.Or(in.Body, x.body)
	x.kind, x.priority, x.remind, x.edited = cmp.Or(in.Type, x.kind), cmp.Or(in.Priority, x.priority), cmp.Or(in.Remind, x.remind), c.now
	if !in.Due.IsZero() {
		x.due = in.Due.Time
	}
	switch {
	case in.Completed != nil && !*in.Completed:
		x.completed = time.Time{}
	case !in.Done.IsZero():
		x.completed = in.Done.Time
	case in.Completed != nil && x.completed.IsZero():
		x.completed = c.now
	}
}

// createTask1 answers 200, not 201.
func createTask1(t *tenant, c *call) reply {
	var in v1TaskIn
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.Title == "" || in.Due.IsZero() {
		return c.bad("title and due_date are required")
	}
	x := &task{user: 1, priority: 2, created: c.now}
	in.into(c, x)
	if r := t.checkTask(c, x); r != nil {
		return *r
	}
	t.addTask(c, x)
	return ok(t.task1(t.tasks.last, x))
}

// updateTask1 is v1's PUT and its PATCH: both change what is given.
func updateTask1(t *tenant, c *call) reply {
	x, found := t.tasks.get(c.id(0))
	if !found {
		return c.notFound("Task", c.args[0])
	}
	var in v1TaskIn
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	changed := *x
	in.into(c, &changed)
	if r := t.checkTask(c, &changed); r != nil {
		return *r
	}
	*x = changed
	t.happened(c, "task.edit", c.id(0))
	return ok(t.task1(c.id(0), x))
}

// checkTask gives a refusal of what a task may not be.
func (t *tenant) checkTask(c *call, x *task) *reply {
	var r reply
	switch _, found := t.contactByID(x.contact); {
	case !found && x.contact != 0:
		r = c.notFound("Contact", x.contact.String())
	case !slices.Contains(reminders, x.remind):
		r = c.bad("Invalid remind time: want 5, 10, 15, 30, 60, 120, 240, 480, 1440 or 2880 minutes")
	case x.priority < 1 || x.priority > 3:
		r = c.bad("Invalid priority")
	default:
		return nil
	}
	return &r
}

func (t *tenant) addTask(c *call, x *task) {
	id := t.tasks.put(0, x)
	if x.contact != 0 {
		c.about("contact", x.contact)
	}
	c.about("task", id)
	t.happened(c, "task.add", id)
}

type v2TaskIn struct {
	Title       *string       `json:"title"`
	Body        *string       `json:"description"`
	Type        string        `json:"type"`
	Priority    string        `json:"priority"`
	Completed   *bool         `json:"completed"`
	Done        instant       `json:"completion_time"`
	Due         instant       `json:"due_time"`
	Remind      int           `json:"remind_time_mins"`
	User        ref           `json:"assigned_to_user_id"`
	Contact     ref           `json:"contact_id"`
	Opportunity ref           `json:"opportunity_id"`
	Accepted    bool          `json:"accepted"`
	Custom      []v2ContentIn `json:"custom_fields"`
}

func createTask2(t *tenant, c *call) reply {
	var in v2TaskIn
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if in.User == 0 {
		return c.bad("assigned_to_user_id is required")
	}
	x := &task{user: in.User, priority: 2, created: c.now}
	if r := in.into(c, x); r != nil {
		return *r
	}
	if r := t.checkTask(c, x); r != nil {
		return *r
	}
	t.addTask(c, x)
	return created(t.task2(t.tasks.last, x))
}

// into writes what is given onto a task.
func (in *v2TaskIn) into(c *call, x *task) *reply {
	if in.Priority != "" {
		x.priority = slices.Index(priorities, in.Priority) + 1
	}
	x.title, x.body = orKeep(in.Title, x.title), orKeep(in.Body, x.body)
	x.kind, x.user, x.contact, x.remind = cmp.Or(in.Type, x.kind), cmp.Or(in.User, x.user), cmp.Or(in.Contact, x.contact), cmp.Or(in.Remind, x.remind)
	if !in.Due.IsZero() {
		x.due = in.Due.Time
	}
	switch {
	case in.Completed != nil && !*in.Completed:
		x.completed = time.Time{}
	case in.Completed != nil && x.completed.IsZero():
		x.completed = c.now
	}
	if !in.Done.IsZero() {
		x.completed = in.Done.Time
	}
	x.edited = c.now
	if x.priority < 1 {
		r := c.bad("Invalid priority: " + in.Priority)
		return &r
	}
	return nil
}

func patchTask2(t *tenant, c *call) reply {
	x, found := t.tasks.get(c.id(0))
	if !found {
		return c.notFound("Task", c.args[0])
	}
	var in v2TaskIn
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if r := in.into(c, x); r != nil {
		return *r
	}
	t.happened(c, "task.edit", c.id(0))
	return ok(t.task2(c.id(0), x))
}

func listTasks1(t *tenant, c *call) reply {
	contact, user, done, hasDue := c.query.Get("contact_id"), c.query.Get("user_id"), c.query.Get("completed"), c.query.Get("has_due_date")
	since, until, err := parseBounds(c.query.Get("since"), c.query.Get("until"))
	if err != nil {
		return c.bad(err.Error())
	}
	return reply1(c, "tasks", pick(&t.tasks, func(_ ref, x *task) bool {
		return (contact == "" || x.contact == parseRef(contact)) && (user == "" || x.user == parseRef(user)) &&
			(done == "" || (done == "true") == !x.completed.IsZero()) && (hasDue == "" || (hasDue == "true") == !x.due.IsZero()) &&
			between(x.due, since, until)
	}, t.task1))
}

func listTasks2(t *tenant, c *call) reply {
	filter, err := c.filter("contact_id", "has_due_date", "is_completed", "user_id", "opportunity_id", "task_ids", "priority", "since_time", "until_time", "id", "title")
	if err != nil {
		return c.bad(err.Error())
	}
	since, until, err := bounds(filter, "since_time", "until_time")
	if err != nil {
		return c.bad(err.Error())
	}
	return reply2(c, "tasks", pick(&t.tasks, func(id ref, x *task) bool {
		return between(x.due, since, until) && !slices.ContainsFunc(filter, func(f condition) bool { return !f.keepsTask(id, x) })
	}, t.task2))
}

func (f condition) keepsTask(id ref, x *task) bool {
	switch f.name {
	case "contact_id":
		return f.number(int64(x.contact))
	case "user_id":
		return f.number(int64(x.user)) || f.value == "UNASSIGNED" && x.user == 0
	case "opportunity_id":
		return false
	case "id", "task_ids":
		return f.number(int64(id))
	case "has_due_date":
		return (f.value == "true") == !x.due.IsZero()
	case "is_completed":
		return (f.value == "true") == !x.completed.IsZero()
	case "priority":
		return strings.EqualFold(f.value, priorities[x.priority-1])
	case "title":
		return f.text(x.title)
	}
	return true
}

func getTask(t *tenant, c *call) reply {
	x, found := t.tasks.get(c.id(0))
	if !found {
		return c.notFound("Task", c.args[0])
	}
	if c.version == 2 {
		return ok(t.task2(c.id(0), x))
	}
	return ok(t.task1(c.id(0), x))
}

func deleteTask(t *tenant, c *call) reply {
	if !t.tasks.remove(c.id(0)) {
		return c.notFound("Task", c.args[0])
	}
	t.happened(c, "task.delete", c.id(0))
	return none()
}
