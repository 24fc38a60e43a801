/* The archive's schema. A change is a new entry at the end; an entry that was released never
 * changes. */
#include "results/db.h"

static const char version_1[] =
    /* Long texts (specs, prompts, replies, sources), each stored once. */
    "CREATE TABLE text ("
    "  sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),"
    "  body   TEXT NOT NULL"
    ") STRICT;"

    "CREATE TABLE run ("
    "  id             INTEGER PRIMARY KEY,"
    "  name           TEXT NOT NULL UNIQUE,"
    "  spec_name      TEXT NOT NULL,"
    "  spec_sha256    TEXT NOT NULL," /* of the canonical form; `spec` is the text as it was read */
    "  spec           TEXT NOT NULL REFERENCES text (sha256),"
    "  model          TEXT,"
    "  base_url       TEXT,"
    "  strategy       TEXT,"
    "  gpu            TEXT,"
    "  arch           TEXT,"
    "  device         TEXT,"
    "  config         TEXT CHECK (config IS NULL OR json_valid(config)),"
    "  scripted       INTEGER NOT NULL CHECK (scripted IN (0, 1)),"
    "  status         TEXT NOT NULL"
    "                 CHECK (status IN ('running', 'done', 'interrupted', 'limit', 'failed')),"
    "  stop_reason    TEXT,"
    "  best_candidate INTEGER REFERENCES candidate (id),"
    "  started        TEXT NOT NULL,"
    "  ended          TEXT"
    ") STRICT;"

    /* Written as 'sent' before the request leaves, so that a killed run knows what it may have paid
     * for. NULL tokens and costs are unknown. */
    "CREATE TABLE call ("
    "  id                INTEGER PRIMARY KEY,"
    "  run               INTEGER NOT NULL REFERENCES run (id),"
    "  turn              INTEGER NOT NULL CHECK (turn >= 0),"
    "  purpose           TEXT,"
    "  state             TEXT NOT NULL CHECK (state IN ('sent', 'done')),"
    "  outcome           TEXT,"
    "  prompt            TEXT NOT NULL REFERENCES text (sha256),"
    "  content           TEXT REFERENCES text (sha256),"
    "  reasoning         TEXT REFERENCES text (sha256),"
    "  raw               TEXT REFERENCES text (sha256),"
    "  finish_reason     TEXT,"
    "  model             TEXT,"
    "  error             TEXT,"
    "  prompt_tokens     INTEGER,"
    "  cached_tokens     INTEGER,"
    "  completion_tokens INTEGER,"
    "  reasoning_tokens  INTEGER,"
    "  usage_estimated   INTEGER NOT NULL DEFAULT 0,"
    "  cost_usd          REAL,"
    "  seconds           REAL,"
    "  attempts          TEXT CHECK (attempts IS NULL OR json_valid(attempts)),"
    "  started           TEXT NOT NULL,"
    "  ended             TEXT,"
    "  UNIQUE (run, turn)"
    ") STRICT;"

    "CREATE TABLE candidate ("
    "  id          INTEGER PRIMARY KEY,"
    "  run         INTEGER NOT NULL REFERENCES run (id),"
    "  call        INTEGER REFERENCES call (id),"
    "  parent      INTEGER REFERENCES candidate (id),"
    "  round       INTEGER NOT NULL,"
    "  origin      TEXT NOT NULL CHECK (origin IN ('emitted', 'model', 'tuned', 'submitted')),"
    "  source      TEXT NOT NULL REFERENCES text (sha256),"
    "  plan_sha256 TEXT,"
    "  ptx_sha256  TEXT,"
    "  tune        TEXT CHECK (tune IS NULL OR json_valid(tune)),"
    "  reason      TEXT NOT NULL,"
    "  level       INTEGER NOT NULL,"
    "  modelled_s  REAL,"
    "  measured_s  REAL,"
    "  gpu         TEXT,"
    "  note        TEXT,"
    "  created     TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX candidate_run ON candidate (run);"
    "CREATE INDEX candidate_ptx ON candidate (run, ptx_sha256);"

    "CREATE TABLE compile ("
    "  candidate    INTEGER PRIMARY KEY REFERENCES candidate (id),"
    "  compile_key  TEXT,"
    "  compiler     TEXT,"
    "  arch         TEXT,"
    "  seconds      REAL,"
    "  registers    INTEGER,"
    "  shared_bytes INTEGER,"
    "  spill_bytes  INTEGER,"
    "  resources    TEXT,"
    "  log          TEXT"
    ") STRICT;"

    "CREATE TABLE verdict ("
    "  candidate     INTEGER PRIMARY KEY REFERENCES candidate (id),"
    "  reason        TEXT NOT NULL,"
    "  level         INTEGER NOT NULL,"
    "  json          TEXT NOT NULL CHECK (json_valid(json)),"
    "  resources     TEXT CHECK (resources IS NULL OR json_valid(resources)),"
    "  counters      TEXT CHECK (counters IS NULL OR json_valid(counters)),"
    "  seed          TEXT NOT NULL," /* 64 bits unsigned, in decimal */
    "  run_seconds   REAL,"
    "  total_seconds REAL"
    ") STRICT;"

    /* Raw samples as a JSON array of numbers in `unit`. */
    "CREATE TABLE timing ("
    "  id          INTEGER PRIMARY KEY,"
    "  candidate   INTEGER NOT NULL REFERENCES candidate (id),"
    "  kind        TEXT NOT NULL CHECK (kind IN ('modelled', 'measured')),"
    "  gpu         TEXT,"
    "  shape       TEXT,"
    "  unit        TEXT NOT NULL,"
    "  samples     TEXT NOT NULL CHECK (json_valid(samples)),"
    "  environment TEXT CHECK (environment IS NULL OR json_valid(environment)),"
    "  created     TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX timing_candidate ON timing (candidate);";

static const char version_2[] =
    "ALTER TABLE call ADD COLUMN step TEXT CHECK (step IS NULL OR json_valid(step));"
    "ALTER TABLE call ADD COLUMN provider TEXT;"
    "ALTER TABLE call ADD COLUMN usage TEXT CHECK (usage IS NULL OR json_valid(usage));";

/* What a model's server was found not to accept, in the words of agent/llm/quirk.h. */
static const char version_3[] = "CREATE TABLE quirk ("
                                "  base_url TEXT NOT NULL,"
                                "  model    TEXT NOT NULL,"
                                "  quirks   TEXT NOT NULL,"
                                "  learned  TEXT NOT NULL,"
                                "  PRIMARY KEY (base_url, model)"
                                ") STRICT;";

/* Memory: what a source uses, specs by their structure, lessons of finished runs, and full-text
 * indexes. A kernel that passed at level 2 (emulated) is found by its time within a run. */
static const char version_4[] =
    "ALTER TABLE candidate ADD COLUMN traits TEXT;"
    "CREATE INDEX candidate_best ON candidate"
    " (run, measured_s IS NULL, coalesce(measured_s, modelled_s))"
    " WHERE reason = 'pass' AND level >= 2;"
    "CREATE INDEX run_spec ON run (spec_sha256);"

    "CREATE TABLE spec_key ("
    "  spec_sha256 TEXT PRIMARY KEY,"
    "  spec_name   TEXT NOT NULL,"
    "  title       TEXT NOT NULL,"
    "  family      TEXT NOT NULL,"
    "  dtype       TEXT NOT NULL,"
    "  shape_class TEXT NOT NULL"
    ") STRICT;"

    "CREATE TABLE lesson ("
    "  id          INTEGER PRIMARY KEY,"
    "  run         INTEGER NOT NULL REFERENCES run (id),"
    "  gpu         TEXT NOT NULL,"
    "  spec_sha256 TEXT NOT NULL REFERENCES spec_key (spec_sha256),"
    "  kind        TEXT NOT NULL CHECK (kind IN ('gain', 'loss', 'failure')),"
    "  subject     TEXT NOT NULL," /* what lessons of one kind are put together by */
    "  text        TEXT NOT NULL,"
    "  effect      REAL,"          /* time before / time after; NULL of failures */
    "  support     INTEGER NOT NULL CHECK (support > 0),"
    "  timing      TEXT CHECK (timing IN ('modelled', 'measured'))," /* of `effect` */
    "  evidence    TEXT NOT NULL CHECK (json_valid(evidence))"       /* ids of candidates */
    ") STRICT;"
    "CREATE INDEX lesson_run ON lesson (run);"
    "CREATE INDEX lesson_spec ON lesson (spec_sha256, gpu);"

    "CREATE VIRTUAL TABLE lesson_fts USING fts5"
    " (text, subject, content = 'lesson', content_rowid = 'id');"
    "CREATE TRIGGER lesson_added AFTER INSERT ON lesson BEGIN"
    "  INSERT INTO lesson_fts (rowid, text, subject) VALUES (new.id, new.text, new.subject);"
    " END;"
    "CREATE TRIGGER lesson_removed AFTER DELETE ON lesson BEGIN"
    "  INSERT INTO lesson_fts (lesson_fts, rowid, text, subject)"
    "   VALUES ('delete', old.id, old.text, old.subject);"
    " END;"

    /* Kernels that may be offered to others, no other candidates. */
    "CREATE VIRTUAL TABLE candidate_fts USING fts5 (note, spec, traits, content = '');"
    "CREATE TRIGGER candidate_added AFTER INSERT ON candidate"
    " WHEN new.reason = 'pass' AND new.level >= 2 BEGIN"
    "  INSERT INTO candidate_fts (rowid, note, spec, traits) VALUES"
    "   (new.id, new.note, (SELECT spec_name FROM run WHERE id = new.run), new.traits);"
    " END;"
    "INSERT INTO candidate_fts (rowid, note, spec, traits)"
    " SELECT c.id, c.note, r.spec_name, NULL FROM candidate c JOIN run r ON r.id = c.run"
    " WHERE c.reason = 'pass' AND c.level >= 2;";

/* Candidates that passed, judged again by later verifiers (results/rejudge.c). Table verdict keeps the
 * first verdict; one that no longer holds has the reason and level of its judgement in table
 * candidate. A rejudge without an end was interrupted, and goes on where it was. */
static const char version_5[] =
    "CREATE TABLE rejudge ("
    "  id      INTEGER PRIMARY KEY,"
    "  tool    TEXT NOT NULL," /* version of the program */
    "  options TEXT NOT NULL CHECK (json_valid(options)),"
    "  started TEXT NOT NULL,"
    "  ended   TEXT"
    ") STRICT;"
    "CREATE TABLE judgement ("
    "  rejudge   INTEGER NOT NULL REFERENCES rejudge (id),"
    "  candidate INTEGER NOT NULL REFERENCES candidate (id),"
    "  holds     INTEGER NOT NULL CHECK (holds IN (0, 1)),"
    "  reason    TEXT NOT NULL,"
    "  level     INTEGER NOT NULL,"
    "  json      TEXT NOT NULL CHECK (json_valid(json)),"
    "  judged    TEXT NOT NULL,"
    "  PRIMARY KEY (rejudge, candidate)"
    ") STRICT;"
    "CREATE INDEX judgement_candidate ON judgement (candidate);";

/* Sittings: what was timed against what, and every raw sample. */
static const char version_6[] =
    "CREATE TABLE sitting ("
    "  id              INTEGER PRIMARY KEY,"
    "  spec_name       TEXT NOT NULL,"
    "  spec_sha256     TEXT NOT NULL,"
    "  kind            TEXT NOT NULL CHECK (kind IN ('modelled', 'measured')),"
    "  gpu             TEXT NOT NULL,"
    "  shape           TEXT NOT NULL,"
    "  regime          TEXT NOT NULL CHECK (regime IN ('cold', 'warm')),"
    "  seed            TEXT NOT NULL,"
    "  baseline        TEXT NOT NULL,"
    "  baseline_source TEXT NOT NULL REFERENCES text (sha256),"
    "  environment     TEXT NOT NULL CHECK (json_valid(environment)),"
    "  created         TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE comparison ("
    "  id       INTEGER PRIMARY KEY,"
    "  sitting  INTEGER NOT NULL REFERENCES sitting (id),"
    "  role     TEXT NOT NULL"
    "           CHECK (role IN ('aa', 'first', 'confirmation', 'confirmation-aa')),"
    "  name     TEXT NOT NULL,"
    "  source   TEXT NOT NULL REFERENCES text (sha256),"
    "  verdict  TEXT,"
    "  ratio    REAL,"
    "  ratio_lo REAL,"
    "  ratio_hi REAL,"
    "  reason   TEXT,"
    "  samples  TEXT NOT NULL CHECK (json_valid(samples))"
    ") STRICT;"
    "CREATE INDEX comparison_sitting ON comparison (sitting);"
    "CREATE INDEX sitting_spec ON sitting (spec_sha256);";

/* Sweeps: many specs under the same options, a problem for each spec, model and strategy. */
static const char version_7[] =
    "CREATE TABLE sweep ("
    "  id          INTEGER PRIMARY KEY,"
    "  name        TEXT NOT NULL UNIQUE,"
    "  suite       TEXT NOT NULL," /* as given */
    "  config      TEXT NOT NULL CHECK (json_valid(config)),"
    "  status      TEXT NOT NULL"
    "              CHECK (status IN ('running', 'done', 'interrupted', 'limit', 'failed')),"
    "  stop_reason TEXT,"
    "  shard       INTEGER NOT NULL CHECK (shard BETWEEN 1 AND shards),"
    "  shards      INTEGER NOT NULL," /* 1: this archive has all of it */
    "  problems    INTEGER NOT NULL," /* of all shards */
    "  started     TEXT NOT NULL,"
    "  ended       TEXT"
    ") STRICT;"

    "CREATE TABLE problem ("
    "  id          INTEGER PRIMARY KEY,"
    "  sweep       INTEGER NOT NULL REFERENCES sweep (id),"
    "  position    INTEGER NOT NULL," /* from 1, in the whole sweep */
    "  spec        TEXT NOT NULL,"    /* name in the catalogue, or file */
    "  spec_name   TEXT NOT NULL,"
    "  spec_sha256 TEXT NOT NULL,"
    "  flaw        TEXT,"             /* why its numbers are kept apart; NULL: they are not */
    "  model       TEXT,"             /* NULL: none is asked */
    "  strategy    TEXT,"
    "  seed        TEXT NOT NULL,"    /* of the run, 64 bits unsigned, in decimal */
    "  status      TEXT NOT NULL"
    "              CHECK (status IN ('waiting', 'running', 'done', 'limit', 'failed')),"
    "  error       TEXT,"
    "  exit_code   INTEGER,"          /* that its run would have ended with */
    "  run         INTEGER REFERENCES run (id),"
    "  seconds     REAL,"             /* wall time of all sessions */
    "  tokens      INTEGER,"          /* that it took of the sweep's budgets, with requests that */
    "  requests    INTEGER,"          /* were lost counted at their most */
    "  usd         REAL,"
    "  started     TEXT,"
    "  ended       TEXT,"
    "  UNIQUE (sweep, position)"
    ") STRICT;"
    "CREATE INDEX problem_run ON problem (run);"

    /* Times that a problem is compared with and that no run of the archive took. */
    "CREATE TABLE baseline ("
    "  problem INTEGER NOT NULL REFERENCES problem (id),"
    "  name    TEXT NOT NULL,"
    "  kind    TEXT NOT NULL CHECK (kind IN ('modelled', 'measured')),"
    "  gpu     TEXT NOT NULL,"
    "  seconds REAL NOT NULL,"
    "  PRIMARY KEY (problem, name)"
    ") STRICT;"

    /* What another harness found out about a sample. It is no verdict of ours: such a source is
     * never offered to anybody, and no header is made of it. */
    "CREATE TABLE sample ("
    "  problem  INTEGER NOT NULL REFERENCES problem (id),"
    "  sample   INTEGER NOT NULL,"
    "  compiled INTEGER NOT NULL CHECK (compiled IN (0, 1)),"
    "  correct  INTEGER NOT NULL CHECK (correct IN (0, 1)),"
    "  seconds  REAL,"
    "  gpu      TEXT,"
    "  source   TEXT REFERENCES text (sha256),"
    "  detail   TEXT CHECK (detail IS NULL OR json_valid(detail))," /* its record, as it stands */
    "  PRIMARY KEY (problem, sample)"
    ") STRICT;";

const char *const db_migration[] = {version_1, version_2, version_3, version_4,
                                    version_5, version_6, version_7};
const int db_n_migrations = (int)WS_COUNT(db_migration);
