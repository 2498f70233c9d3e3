-- The schema of a store: owners, their credentials, the audit trail, and a log of every change.
--
-- Names carry a prefix, because the file may hold a service's own tables too. Times are in
-- milliseconds since 1970 without leap seconds. Ids are compared byte for byte (BINARY, SQLite's
-- default collation): neither case, nor trailing blanks, nor Unicode make two ids equal. NUL is
-- refused in ids, since SQLite does not define what its functions return for text that contains it.

-- Owners -----------------------------------------------------------------------------------------

CREATE TABLE tower_api_key_organizations (
    id        TEXT NOT NULL PRIMARY KEY CHECK (instr(CAST(id AS BLOB), x'00') = 0),
    parent_id TEXT REFERENCES tower_api_key_organizations (id),
    deleted   INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX tower_api_key_organizations_by_parent ON tower_api_key_organizations (parent_id)
    WHERE parent_id IS NOT NULL;

CREATE TABLE tower_api_key_users (
    id      TEXT NOT NULL PRIMARY KEY CHECK (instr(CAST(id AS BLOB), x'00') = 0),
    enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE tower_api_key_memberships (
    user_id         TEXT NOT NULL REFERENCES tower_api_key_users (id),
    organization_id TEXT NOT NULL REFERENCES tower_api_key_organizations (id),
    role            TEXT NOT NULL,
    PRIMARY KEY (user_id, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tower_api_key_memberships_by_organization
    ON tower_api_key_memberships (organization_id);

-- Credentials ------------------------------------------------------------------------------------

-- A deleted credential keeps its row, so that its id stays taken.
CREATE TABLE tower_api_key_credentials (
    kind            TEXT NOT NULL CHECK (kind IN ('org_key', 'pat')),
    id              TEXT NOT NULL CHECK (instr(CAST(id AS BLOB), x'00') = 0),
    -- The SHA-256 of the whole token; with a pepper, the HMAC-SHA-256 of that under the pepper
    -- named here.
    digest          BLOB NOT NULL CHECK (length(digest) = 32),
    pepper          TEXT,
    status          TEXT NOT NULL DEFAULT 'active'
                    CHECK (status IN ('active', 'disabled', 'deleted')),
    expires_at      INTEGER, -- NULL: never
    organization_id TEXT REFERENCES tower_api_key_organizations (id),
    user_id         TEXT REFERENCES tower_api_key_users (id),
    -- A key has a role, or scopes (a JSON array), or both, and then the scopes count. A personal
    -- token has neither: its rights follow from its user's memberships.
    role            TEXT,
    scopes          TEXT
                    CHECK (scopes IS NULL OR (json_valid(scopes) AND json_type(scopes) = 'array')),
    name            TEXT NOT NULL DEFAULT '',
    created_at      INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
    -- The ids of the credential that this one replaced and of the one that replaced it.
    rotated_from    TEXT,
    rotated_to      TEXT,
    rotated_at      INTEGER,
    -- The key of an idempotent request that issued this credential, and that request's SHA-256.
    idempotency_key TEXT,
    request_hash    BLOB CHECK (request_hash IS NULL OR length(request_hash) = 32),
    PRIMARY KEY (kind, id),
    CHECK (CASE kind
        WHEN 'org_key' THEN organization_id IS NOT NULL AND user_id IS NULL
            AND (role IS NOT NULL OR scopes IS NOT NULL)
        ELSE user_id IS NOT NULL AND organization_id IS NULL AND role IS NULL AND scopes IS NULL
    END)
) STRICT, WITHOUT ROWID;

-- Personal tokens are looked up by digest.
CREATE UNIQUE INDEX tower_api_key_tokens_by_digest ON tower_api_key_credentials (digest)
    WHERE kind = 'pat';

-- One idempotency key issues one credential.
CREATE UNIQUE INDEX tower_api_key_keys_by_idempotency
    ON tower_api_key_credentials (organization_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND organization_id IS NOT NULL;
CREATE UNIQUE INDEX tower_api_key_tokens_by_idempotency
    ON tower_api_key_credentials (user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND user_id IS NOT NULL;

-- Lists, newest first. Deleted credentials have indexes of their own, so that they cost nothing to
-- the other lists, however many there are. The indexes of the rest contain what most filters ask
-- for, so that a list skips a row without reading the table.
CREATE INDEX tower_api_key_keys_living
    ON tower_api_key_credentials (organization_id, created_at, id, status, expires_at)
    WHERE organization_id IS NOT NULL AND status <> 'deleted';
CREATE INDEX tower_api_key_tokens_living
    ON tower_api_key_credentials (user_id, created_at, id, status, expires_at)
    WHERE user_id IS NOT NULL AND status <> 'deleted';
CREATE INDEX tower_api_key_keys_deleted
    ON tower_api_key_credentials (organization_id, created_at, id)
    WHERE organization_id IS NOT NULL AND status = 'deleted';
CREATE INDEX tower_api_key_tokens_deleted
    ON tower_api_key_credentials (user_id, created_at, id)
    WHERE user_id IS NOT NULL AND status = 'deleted';

-- Lists by expiry, and the number of usable credentials, which an owner's limit needs.
CREATE INDEX tower_api_key_keys_by_end
    ON tower_api_key_credentials
        (organization_id, status, coalesce(expires_at, 9223372036854775807))
    WHERE organization_id IS NOT NULL AND status <> 'deleted';
CREATE INDEX tower_api_key_tokens_by_end
    ON tower_api_key_credentials (user_id, status, coalesce(expires_at, 9223372036854775807))
    WHERE user_id IS NOT NULL AND status <> 'deleted';

-- When a credential was last used, and whether the audit trail has its first use after a rotation.
-- A table of its own, without triggers: caches need not know of a use.
CREATE TABLE tower_api_key_uses (
    kind              TEXT NOT NULL,
    id                TEXT NOT NULL,
    at                INTEGER NOT NULL,
    rotation_reported INTEGER NOT NULL DEFAULT 0 CHECK (rotation_reported IN (0, 1)),
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- The audit trail --------------------------------------------------------------------------------

-- `organization_id` or `user_id` is the owner of the credential. `actor_kind` is 'org_key' or 'pat'
-- (with the credential in `actor_id`, and the token's user in `actor_user_id`), 'user' (with the
-- user in `actor_user_id`), 'operator' (with a name in `actor_id`), or 'bearer': whoever presented
-- the credential itself.
CREATE TABLE tower_api_key_events (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    at              INTEGER NOT NULL,
    action          TEXT NOT NULL,
    organization_id TEXT,
    user_id         TEXT,
    credential_id   TEXT NOT NULL,
    related_id      TEXT,
    actor_kind      TEXT NOT NULL,
    actor_id        TEXT,
    actor_user_id   TEXT,
    origin          TEXT,
    CHECK ((organization_id IS NULL) <> (user_id IS NULL))
) STRICT;
CREATE INDEX tower_api_key_events_of_organization
    ON tower_api_key_events (organization_id, number) WHERE organization_id IS NOT NULL;
CREATE INDEX tower_api_key_events_of_user
    ON tower_api_key_events (user_id, number) WHERE user_id IS NOT NULL;
-- What a user did, which has to be found when the user is deleted.
CREATE INDEX tower_api_key_events_by_user
    ON tower_api_key_events (actor_user_id) WHERE actor_user_id IS NOT NULL;

-- No event takes the number of another.
CREATE TRIGGER tower_api_key_events_kept BEFORE INSERT ON tower_api_key_events
WHEN EXISTS (SELECT 1 FROM tower_api_key_events WHERE number = NEW.number) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is not rewritten');
END;
CREATE TRIGGER tower_api_key_events_numbers_kept BEFORE UPDATE OF number ON tower_api_key_events
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is not rewritten');
END;

-- Owners keep their rows -------------------------------------------------------------------------

-- If an owner's id were reused, the new owner would get the old one's credentials and history. So
-- an owner's row stays while anything refers to it. Triggers, because foreign keys are switched off
-- in the `sqlite3` program, and do not cover the audit trail. Deleted credentials are listed apart
-- so that each part uses its index.

CREATE VIEW tower_api_key_organization_references (id) AS
    SELECT organization_id FROM tower_api_key_credentials
        WHERE organization_id IS NOT NULL AND status <> 'deleted'
    UNION ALL
    SELECT organization_id FROM tower_api_key_credentials
        WHERE organization_id IS NOT NULL AND status = 'deleted'
    UNION ALL
    SELECT organization_id FROM tower_api_key_memberships
    UNION ALL
    SELECT parent_id FROM tower_api_key_organizations
        WHERE parent_id IS NOT NULL AND parent_id <> id
    UNION ALL
    SELECT organization_id FROM tower_api_key_events WHERE organization_id IS NOT NULL;

CREATE TRIGGER tower_api_key_organization_kept BEFORE DELETE ON tower_api_key_organizations
WHEN EXISTS (SELECT 1 FROM tower_api_key_organization_references WHERE id = OLD.id) BEGIN
    SELECT RAISE(ABORT, 'the organization is still referred to: set deleted = 1 instead');
END;
CREATE TRIGGER tower_api_key_organization_id_kept
BEFORE UPDATE OF id ON tower_api_key_organizations
WHEN NEW.id <> OLD.id AND EXISTS (
    SELECT 1 FROM tower_api_key_organization_references WHERE id IN (OLD.id, NEW.id)
) BEGIN
    SELECT RAISE(ABORT, 'the id of the organization is still referred to');
END;
-- After the insertion: by then REPLACE has removed the old row, and ON CONFLICT DO NOTHING has
-- inserted none.
CREATE TRIGGER tower_api_key_organization_new AFTER INSERT ON tower_api_key_organizations
WHEN EXISTS (SELECT 1 FROM tower_api_key_organization_references WHERE id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'the id of the organization is still referred to');
END;

CREATE VIEW tower_api_key_user_references (id) AS
    SELECT user_id FROM tower_api_key_credentials WHERE user_id IS NOT NULL AND status <> 'deleted'
    UNION ALL
    SELECT user_id FROM tower_api_key_credentials WHERE user_id IS NOT NULL AND status = 'deleted'
    UNION ALL
    SELECT user_id FROM tower_api_key_memberships
    UNION ALL
    SELECT user_id FROM tower_api_key_events WHERE user_id IS NOT NULL;

CREATE TRIGGER tower_api_key_user_kept BEFORE DELETE ON tower_api_key_users
WHEN EXISTS (SELECT 1 FROM tower_api_key_user_references WHERE id = OLD.id) BEGIN
    SELECT RAISE(ABORT, 'the user is still referred to: set enabled = 0 instead');
END;
CREATE TRIGGER tower_api_key_user_id_kept BEFORE UPDATE OF id ON tower_api_key_users
WHEN NEW.id <> OLD.id AND EXISTS (
    SELECT 1 FROM tower_api_key_user_references WHERE id IN (OLD.id, NEW.id)
) BEGIN
    SELECT RAISE(ABORT, 'the id of the user is still referred to');
END;
CREATE TRIGGER tower_api_key_user_new AFTER INSERT ON tower_api_key_users
WHEN EXISTS (SELECT 1 FROM tower_api_key_user_references WHERE id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'the id of the user is still referred to');
END;

-- The change log ---------------------------------------------------------------------------------

-- Written by triggers, so that every writer's changes are logged, even those made with the
-- `sqlite3` program. AUTOINCREMENT numbers committed rows without gaps: a follower that finds a gap
-- knows that it missed something.
CREATE TABLE tower_api_key_changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
    subject TEXT NOT NULL CHECK (subject IN ('credential', 'user', 'organization')),
    kind    TEXT, -- of a credential
    id      TEXT NOT NULL
) STRICT;

-- Keeps the last 10 000 changes.
CREATE TRIGGER tower_api_key_changes_pruned AFTER INSERT ON tower_api_key_changes BEGIN
    DELETE FROM tower_api_key_changes WHERE seq <= NEW.seq - 10000;
END;

-- No change takes the number of another.
CREATE TRIGGER tower_api_key_changes_kept BEFORE INSERT ON tower_api_key_changes
WHEN EXISTS (SELECT 1 FROM tower_api_key_changes WHERE seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'the change log is not rewritten');
END;
CREATE TRIGGER tower_api_key_changes_numbers_kept BEFORE UPDATE OF seq ON tower_api_key_changes
BEGIN
    SELECT RAISE(ABORT, 'the change log is not rewritten');
END;

-- A renamed row has changed under both names.

CREATE TRIGGER tower_api_key_organization_inserted AFTER INSERT ON tower_api_key_organizations BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('organization', NEW.id);
END;
CREATE TRIGGER tower_api_key_organization_updated AFTER UPDATE ON tower_api_key_organizations BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('organization', OLD.id);
    INSERT INTO tower_api_key_changes (subject, id)
        SELECT 'organization', NEW.id WHERE NEW.id <> OLD.id;
END;
CREATE TRIGGER tower_api_key_organization_deleted AFTER DELETE ON tower_api_key_organizations BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('organization', OLD.id);
END;

CREATE TRIGGER tower_api_key_user_inserted AFTER INSERT ON tower_api_key_users BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('user', NEW.id);
END;
CREATE TRIGGER tower_api_key_user_updated AFTER UPDATE ON tower_api_key_users BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('user', OLD.id);
    INSERT INTO tower_api_key_changes (subject, id) SELECT 'user', NEW.id WHERE NEW.id <> OLD.id;
END;
CREATE TRIGGER tower_api_key_user_deleted AFTER DELETE ON tower_api_key_users BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('user', OLD.id);
END;

CREATE TRIGGER tower_api_key_membership_inserted AFTER INSERT ON tower_api_key_memberships BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('user', NEW.user_id);
END;
CREATE TRIGGER tower_api_key_membership_updated AFTER UPDATE ON tower_api_key_memberships BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('user', OLD.user_id);
    INSERT INTO tower_api_key_changes (subject, id)
        SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
END;
CREATE TRIGGER tower_api_key_membership_deleted AFTER DELETE ON tower_api_key_memberships BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('user', OLD.user_id);
END;

CREATE TRIGGER tower_api_key_credential_inserted AFTER INSERT ON tower_api_key_credentials BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id) VALUES ('credential', NEW.kind, NEW.id);
END;
CREATE TRIGGER tower_api_key_credential_updated AFTER UPDATE ON tower_api_key_credentials BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id) VALUES ('credential', OLD.kind, OLD.id);
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', NEW.kind, NEW.id WHERE NEW.kind <> OLD.kind OR NEW.id <> OLD.id;
END;
CREATE TRIGGER tower_api_key_credential_deleted AFTER DELETE ON tower_api_key_credentials BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id) VALUES ('credential', OLD.kind, OLD.id);
END;

-- REPLACE deletes conflicting rows without firing the triggers of a deletion. A row with the same
-- kind and id is logged with the new one; these triggers log the others, which conflict in a unique
-- index.
CREATE TRIGGER tower_api_key_credential_replaced_by_insert
BEFORE INSERT ON tower_api_key_credentials BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE NEW.kind = 'pat' AND kind = 'pat' AND digest = NEW.digest AND id <> NEW.id;
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE organization_id = NEW.organization_id AND idempotency_key = NEW.idempotency_key
            AND (kind <> NEW.kind OR id <> NEW.id);
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE user_id = NEW.user_id AND idempotency_key = NEW.idempotency_key
            AND (kind <> NEW.kind OR id <> NEW.id);
END;
CREATE TRIGGER tower_api_key_credential_replaced_by_update
BEFORE UPDATE OF kind, id, digest, organization_id, user_id, idempotency_key
ON tower_api_key_credentials BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE NEW.kind = 'pat' AND kind = 'pat' AND digest = NEW.digest
            AND (kind <> OLD.kind OR id <> OLD.id);
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE organization_id = NEW.organization_id AND idempotency_key = NEW.idempotency_key
            AND (kind <> OLD.kind OR id <> OLD.id);
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE user_id = NEW.user_id AND idempotency_key = NEW.idempotency_key
            AND (kind <> OLD.kind OR id <> OLD.id);
END;

-- Valid credentials ------------------------------------------------------------------------------

-- The store could not read scopes that are not text, an idempotency key without its request, an
-- invalid pepper name, or text that is not UTF-8: they are refused from every writer.
--
-- Triggers, because a CHECK may not contain a subquery, and because SQLite checks every constraint
-- of a row on each update: a row that is damaged all the same, as by a failing disk, can still be
-- disabled and deleted, since an update is only checked for the columns that it changes.
--
-- SQLite has no function that validates UTF-8. So each character is compared with the one that its
-- own code point makes; the two differ if the bytes are invalid. (SQLite reads U+FFFE and U+FFFF,
-- which are valid, as U+FFFD.)
--
-- Like a constraint, the triggers do nothing while `ignore_check_constraints` is on: only then does
-- a row fit into this table.
CREATE TABLE tower_api_key_unchecked (never INTEGER NOT NULL CHECK (never = 0)) STRICT;

CREATE TRIGGER tower_api_key_credential_inserted_sound BEFORE INSERT ON tower_api_key_credentials
WHEN EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.scopes), NEW.scopes, '[]')) WHERE type <> 'text'
    )
    OR (NEW.idempotency_key IS NULL) <> (NEW.request_hash IS NULL)
    OR NEW.pepper GLOB '*[^A-Za-z0-9._-]*' OR length(NEW.pepper) NOT BETWEEN 1 AND 64
    OR EXISTS (
        SELECT 1 FROM
            (SELECT NEW.id || ' ' || NEW.name || ' ' || coalesce(NEW.role, '')
                || ' ' || coalesce(NEW.rotated_from, '') || ' ' || coalesce(NEW.rotated_to, '')
                || ' ' || coalesce(NEW.idempotency_key, '') AS text) t,
            json_each('[' || rtrim(replace(hex(zeroblob(length(t.text))), '00', '0,'), ',') || ']')
                AS n
        WHERE t.text GLOB '*[^ -~]*'
            AND substr(t.text, n.key + 1, 1) <> char(unicode(substr(t.text, n.key + 1, 1)))
            AND CAST(substr(t.text, n.key + 1, 1) AS BLOB) NOT IN (x'EFBFBE', x'EFBFBF')
    )
BEGIN
    INSERT OR IGNORE INTO tower_api_key_unchecked VALUES (1);
    SELECT RAISE(ABORT, 'not what a credential may consist of')
        WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_unchecked);
    DELETE FROM tower_api_key_unchecked;
END;

CREATE TRIGGER tower_api_key_credential_updated_sound
BEFORE UPDATE OF id, name, role, scopes, rotated_from, rotated_to, idempotency_key, request_hash,
    pepper
ON tower_api_key_credentials
WHEN (NEW.scopes IS NOT OLD.scopes AND EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.scopes), NEW.scopes, '[]')) WHERE type <> 'text'
    ))
    OR (NEW.idempotency_key IS NOT OLD.idempotency_key OR NEW.request_hash IS NOT OLD.request_hash)
        AND (NEW.idempotency_key IS NULL) <> (NEW.request_hash IS NULL)
    OR NEW.pepper IS NOT OLD.pepper
        AND (NEW.pepper GLOB '*[^A-Za-z0-9._-]*' OR length(NEW.pepper) NOT BETWEEN 1 AND 64)
    OR EXISTS (
        SELECT 1 FROM
            (SELECT iif(NEW.id IS OLD.id, '', NEW.id)
                || ' ' || iif(NEW.name IS OLD.name, '', NEW.name)
                || ' ' || iif(NEW.role IS OLD.role, '', coalesce(NEW.role, ''))
                || ' ' || iif(NEW.rotated_from IS OLD.rotated_from, '',
                    coalesce(NEW.rotated_from, ''))
                || ' ' || iif(NEW.rotated_to IS OLD.rotated_to, '', coalesce(NEW.rotated_to, ''))
                || ' ' || iif(NEW.idempotency_key IS OLD.idempotency_key, '',
                    coalesce(NEW.idempotency_key, '')) AS text) t,
            json_each('[' || rtrim(replace(hex(zeroblob(length(t.text))), '00', '0,'), ',') || ']')
                AS n
        WHERE t.text GLOB '*[^ -~]*'
            AND substr(t.text, n.key + 1, 1) <> char(unicode(substr(t.text, n.key + 1, 1)))
            AND CAST(substr(t.text, n.key + 1, 1) AS BLOB) NOT IN (x'EFBFBE', x'EFBFBF')
    )
BEGIN
    INSERT OR IGNORE INTO tower_api_key_unchecked VALUES (1);
    SELECT RAISE(ABORT, 'not what a credential may consist of')
        WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_unchecked);
    DELETE FROM tower_api_key_unchecked;
END;

-- Later migrations -------------------------------------------------------------------------------

-- A later migration that an older program can work with inserts a row here: a program that knows
-- the migrations up to `oldest` need not know `migration`. A program refuses a file with an unknown
-- migration that has no such row.
CREATE TABLE tower_api_key_compatibility (
    migration INTEGER NOT NULL PRIMARY KEY,
    oldest    INTEGER NOT NULL CHECK (oldest <= migration)
) STRICT;
