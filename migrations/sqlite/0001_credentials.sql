-- Credentials and what they follow from. Names carry a prefix, because the file may hold a service's own tables too.
--
-- Ids are text, compared byte for byte (SQLite's BINARY, its default collation): no aliases by case, trailing blank or
-- Unicode. NUL is refused, since SQLite does not say what its functions make of text that contains one.

CREATE TABLE tower_api_key_organizations (
    id        TEXT NOT NULL PRIMARY KEY CHECK (instr(CAST(id AS BLOB), x'00') = 0),
    parent_id TEXT REFERENCES tower_api_key_organizations (id),
    deleted   INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT, WITHOUT ROWID;

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

-- A deleted credential keeps its row, so that its id stays taken. `expires_at` is in milliseconds since 1970, NULL for
-- never. A key has a role, or a JSON array of scopes, or both (then the scopes count); a personal token has neither:
-- what it may do follows from memberships.
CREATE TABLE tower_api_key_credentials (
    kind            TEXT NOT NULL CHECK (kind IN ('org_key', 'pat')),
    id              TEXT NOT NULL CHECK (instr(CAST(id AS BLOB), x'00') = 0),
    digest          BLOB NOT NULL CHECK (length(digest) = 32),
    standing        TEXT NOT NULL DEFAULT 'active' CHECK (standing IN ('active', 'disabled', 'deleted')),
    expires_at      INTEGER,
    organization_id TEXT REFERENCES tower_api_key_organizations (id),
    user_id         TEXT REFERENCES tower_api_key_users (id),
    role            TEXT,
    scopes          TEXT CHECK (scopes IS NULL OR (json_valid(scopes) AND json_type(scopes) = 'array')),
    PRIMARY KEY (kind, id),
    CHECK (CASE kind
        WHEN 'org_key' THEN organization_id IS NOT NULL AND user_id IS NULL AND (role IS NOT NULL OR scopes IS NOT NULL)
        ELSE user_id IS NOT NULL AND organization_id IS NULL AND role IS NULL AND scopes IS NULL
    END)
) STRICT, WITHOUT ROWID;

-- Personal tokens are found by their digest.
CREATE UNIQUE INDEX tower_api_key_tokens_by_digest ON tower_api_key_credentials (digest) WHERE kind = 'pat';

-- The change log, written by triggers, so that every writer counts, also a person with `sqlite3`. AUTOINCREMENT makes the
-- numbers of committed rows follow each other without a gap: a follower that finds one knows that it missed something.
CREATE TABLE tower_api_key_changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL CHECK (subject IN ('credential', 'user', 'organization')),
    kind    TEXT,
    id      TEXT NOT NULL
) STRICT;

-- Keeps the last 10 000.
CREATE TRIGGER tower_api_key_changes_pruned AFTER INSERT ON tower_api_key_changes BEGIN
    DELETE FROM tower_api_key_changes WHERE seq <= NEW.seq - 10000;
END;

CREATE TRIGGER tower_api_key_organization_inserted AFTER INSERT ON tower_api_key_organizations BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('organization', NEW.id);
END;
CREATE TRIGGER tower_api_key_organization_updated AFTER UPDATE ON tower_api_key_organizations BEGIN
    INSERT INTO tower_api_key_changes (subject, id) VALUES ('organization', OLD.id);
    INSERT INTO tower_api_key_changes (subject, id) SELECT 'organization', NEW.id WHERE NEW.id <> OLD.id;
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
    INSERT INTO tower_api_key_changes (subject, id) SELECT 'user', NEW.user_id WHERE NEW.user_id <> OLD.user_id;
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

-- REPLACE removes a row with the same digest without firing the triggers of a deletion.
CREATE TRIGGER tower_api_key_credential_replaced BEFORE INSERT ON tower_api_key_credentials WHEN NEW.kind = 'pat' BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE kind = 'pat' AND digest = NEW.digest AND id <> NEW.id;
END;
