-- The index over the logs. It is disposable: a change here raises schemaVersion, and the file is built anew.

-- position: how far both logs are in here. Written with what it stands for, in one transaction.
CREATE TABLE position (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    events   INTEGER NOT NULL,
    outcomes INTEGER NOT NULL,
    salt     TEXT NOT NULL            -- fingerprint of Options.Hash: hashes of another salt are worthless
);

-- class: everything that lists filter by and counts are made of. There are few, so they are held in memory;
-- an event names its class, and one small index (class, n) serves every filter.
CREATE TABLE class (
    id       INTEGER PRIMARY KEY,
    account  TEXT NOT NULL,
    source   TEXT NOT NULL,
    type     TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    message  TEXT NOT NULL,
    events   INTEGER NOT NULL,
    newest   INTEGER NOT NULL         -- no event of it has a higher n
);

-- event: n grows as events are heard of, so newest first is n descending.
CREATE TABLE event (
    n        INTEGER PRIMARY KEY,
    key      BLOB NOT NULL,
    seq      INTEGER NOT NULL,        -- position in EVENTS, 0 where it is not there
    id       TEXT NOT NULL,
    class    INTEGER NOT NULL,
    step     TEXT NOT NULL,
    detail   TEXT NOT NULL,
    received INTEGER NOT NULL,        -- times are Unix milliseconds
    changed  INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    calls    INTEGER NOT NULL,
    rules    TEXT NOT NULL,
    person   INTEGER,                 -- hash of the order key
    number   INTEGER                  -- hash of the order number
);
CREATE UNIQUE INDEX event_key    ON event (key);
CREATE INDEX        event_class  ON event (class);
CREATE INDEX        event_id     ON event (id);
CREATE INDEX        event_person ON event (person) WHERE person IS NOT NULL;
CREATE INDEX        event_number ON event (number) WHERE number IS NOT NULL;

-- minute: which n were received in it, so that a time becomes a range of n.
CREATE TABLE minute (
    at INTEGER PRIMARY KEY,
    lo INTEGER NOT NULL,
    hi INTEGER NOT NULL
);

CREATE TABLE change (
    n       INTEGER PRIMARY KEY,
    event   INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    state   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    until   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    detail  TEXT NOT NULL,
    step    TEXT NOT NULL,
    job     TEXT NOT NULL,
    who     TEXT NOT NULL,
    steps   BLOB                      -- JSON of []events.StepReport
);
CREATE INDEX change_event ON change (event);
CREATE INDEX change_job   ON change (job, event) WHERE job <> '';

CREATE TABLE call (
    n         INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    operation TEXT NOT NULL,
    status    INTEGER NOT NULL,
    error     TEXT NOT NULL,
    took      INTEGER NOT NULL,       -- microseconds
    waited    INTEGER NOT NULL,       -- for its permit, microseconds
    subjects  INTEGER NOT NULL,
    exchange  TEXT NOT NULL           -- id of what was said, '' where it is not kept
);
CREATE INDEX call_at ON call (at);

CREATE TABLE served (
    event INTEGER NOT NULL,
    call  INTEGER NOT NULL,
    step  TEXT NOT NULL,
    PRIMARY KEY (event, call, step)
) WITHOUT ROWID;

-- pulse: how often something happened in a span of 60, 600 or 3600 seconds from at (Unix seconds) on.
CREATE TABLE pulse (
    span    INTEGER NOT NULL,
    account TEXT NOT NULL,
    at      INTEGER NOT NULL,
    what    TEXT NOT NULL,
    status  TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (span, account, at, what, status)
) WITHOUT ROWID;

-- rule: what a rule cost for the events of a source in the hour from at (Unix seconds) on.
CREATE TABLE rule (
    account TEXT NOT NULL,
    at      INTEGER NOT NULL,
    rule    TEXT NOT NULL,
    source  TEXT NOT NULL,
    events  INTEGER NOT NULL,
    steps   INTEGER NOT NULL,
    calls   REAL NOT NULL,
    goals   INTEGER NOT NULL,
    PRIMARY KEY (account, at, rule, source)
) WITHOUT ROWID;

CREATE TABLE quota (
    account   TEXT NOT NULL,
    day       INTEGER NOT NULL,       -- Unix seconds of 00:00 UTC
    "limit"   INTEGER NOT NULL,
    used      INTEGER NOT NULL,
    elsewhere INTEGER NOT NULL,
    PRIMARY KEY (account, day)
) WITHOUT ROWID;

CREATE TABLE seen (
    account TEXT NOT NULL,
    source  TEXT NOT NULL,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    events  INTEGER NOT NULL,
    PRIMARY KEY (account, source)
) WITHOUT ROWID;

CREATE TABLE audit (
    n       INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    action  TEXT NOT NULL,
    account TEXT NOT NULL,
    target  TEXT NOT NULL,
    job     TEXT NOT NULL,
    detail  TEXT NOT NULL
);
CREATE INDEX audit_job ON audit (job) WHERE job <> '';
