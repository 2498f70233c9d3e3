-- Owners that are referred to keep their row, a replaced row is logged, rows that nothing could
-- read are refused, and dead credentials cost nothing to lists and to the cap.

-- Which later migrations a program of an older version can work with: one row for each such
-- migration, with the oldest version whose programs can. A program refuses a file with a migration
-- that it does not know, unless `oldest` is at most the newest one that it knows.
CREATE TABLE tower_api_key_compatibility (
    version INTEGER NOT NULL PRIMARY KEY,
    oldest  INTEGER NOT NULL
) STRICT;

-- Lists by age, of living and of deleted credentials; and by what ends them, which is also what the
-- cap counts. That of the living ones has what most filters ask, so that what a list passes is not
-- read from the table.
DROP INDEX tower_api_key_keys_by_age;
DROP INDEX tower_api_key_tokens_by_age;
CREATE INDEX tower_api_key_keys_living
    ON tower_api_key_credentials (organization_id, created_at, id, standing, expires_at)
    WHERE organization_id IS NOT NULL AND standing <> 'deleted';
CREATE INDEX tower_api_key_tokens_living
    ON tower_api_key_credentials (user_id, created_at, id, standing, expires_at)
    WHERE user_id IS NOT NULL AND standing <> 'deleted';
CREATE INDEX tower_api_key_keys_deleted ON tower_api_key_credentials (organization_id, created_at, id)
    WHERE organization_id IS NOT NULL AND standing = 'deleted';
CREATE INDEX tower_api_key_tokens_deleted ON tower_api_key_credentials (user_id, created_at, id)
    WHERE user_id IS NOT NULL AND standing = 'deleted';
CREATE INDEX tower_api_key_keys_by_end
    ON tower_api_key_credentials (organization_id, standing, coalesce(expires_at, 9223372036854775807))
    WHERE organization_id IS NOT NULL AND standing <> 'deleted';
CREATE INDEX tower_api_key_tokens_by_end
    ON tower_api_key_credentials (user_id, standing, coalesce(expires_at, 9223372036854775807))
    WHERE user_id IS NOT NULL AND standing <> 'deleted';

-- An owner's id that is given out again would bring what refers to it to life for somebody else. So
-- the row of an owner stays while anything refers to it, also where `foreign_keys` is off, as it is
-- in the `sqlite3` program.
CREATE INDEX tower_api_key_organizations_by_parent ON tower_api_key_organizations (parent_id)
    WHERE parent_id IS NOT NULL;
CREATE INDEX tower_api_key_memberships_by_organization ON tower_api_key_memberships (organization_id);

CREATE VIEW tower_api_key_organization_references (id) AS
    SELECT organization_id FROM tower_api_key_credentials WHERE organization_id IS NOT NULL AND standing <> 'deleted'
    UNION ALL
    SELECT organization_id FROM tower_api_key_credentials WHERE organization_id IS NOT NULL AND standing = 'deleted'
    UNION ALL
    SELECT organization_id FROM tower_api_key_memberships
    UNION ALL
    SELECT parent_id FROM tower_api_key_organizations WHERE parent_id IS NOT NULL AND parent_id <> id
    UNION ALL
    SELECT organization_id FROM tower_api_key_events WHERE organization_id IS NOT NULL;

CREATE VIEW tower_api_key_user_references (id) AS
    SELECT user_id FROM tower_api_key_credentials WHERE user_id IS NOT NULL AND standing <> 'deleted'
    UNION ALL
    SELECT user_id FROM tower_api_key_credentials WHERE user_id IS NOT NULL AND standing = 'deleted'
    UNION ALL
    SELECT user_id FROM tower_api_key_memberships
    UNION ALL
    SELECT user_id FROM tower_api_key_events WHERE user_id IS NOT NULL;

CREATE TRIGGER tower_api_key_organization_kept BEFORE DELETE ON tower_api_key_organizations
WHEN EXISTS (SELECT 1 FROM tower_api_key_organization_references WHERE id = OLD.id) BEGIN
    SELECT RAISE(ABORT, 'the organization is still referred to: set deleted = 1 instead');
END;
CREATE TRIGGER tower_api_key_organization_id_kept BEFORE UPDATE OF id ON tower_api_key_organizations
WHEN NEW.id <> OLD.id
    AND EXISTS (SELECT 1 FROM tower_api_key_organization_references WHERE id IN (OLD.id, NEW.id)) BEGIN
    SELECT RAISE(ABORT, 'the id of the organization is still referred to');
END;
-- After the insertion, when REPLACE has removed the row that was there, and ON CONFLICT DO NOTHING
-- inserts none.
CREATE TRIGGER tower_api_key_organization_new AFTER INSERT ON tower_api_key_organizations
WHEN EXISTS (SELECT 1 FROM tower_api_key_organization_references WHERE id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'the id of the organization is still referred to');
END;

CREATE TRIGGER tower_api_key_user_kept BEFORE DELETE ON tower_api_key_users
WHEN EXISTS (SELECT 1 FROM tower_api_key_user_references WHERE id = OLD.id) BEGIN
    SELECT RAISE(ABORT, 'the user is still referred to: set enabled = 0 instead');
END;
CREATE TRIGGER tower_api_key_user_id_kept BEFORE UPDATE OF id ON tower_api_key_users
WHEN NEW.id <> OLD.id AND EXISTS (SELECT 1 FROM tower_api_key_user_references WHERE id IN (OLD.id, NEW.id)) BEGIN
    SELECT RAISE(ABORT, 'the id of the user is still referred to');
END;
CREATE TRIGGER tower_api_key_user_new AFTER INSERT ON tower_api_key_users
WHEN EXISTS (SELECT 1 FROM tower_api_key_user_references WHERE id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'the id of the user is still referred to');
END;

-- REPLACE removes the rows that are in the way of a new one without firing the triggers of a
-- deletion. A row in the way with the same id is logged with the new one; these are the others.
DROP TRIGGER tower_api_key_credential_replaced;
CREATE TRIGGER tower_api_key_credential_replaced_by_insert BEFORE INSERT ON tower_api_key_credentials BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE NEW.kind = 'pat' AND kind = 'pat' AND digest = NEW.digest AND id <> NEW.id;
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE organization_id = NEW.organization_id AND idempotency_key = NEW.idempotency_key
            AND (kind <> NEW.kind OR id <> NEW.id);
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE user_id = NEW.user_id AND idempotency_key = NEW.idempotency_key AND (kind <> NEW.kind OR id <> NEW.id);
END;
CREATE TRIGGER tower_api_key_credential_replaced_by_update
BEFORE UPDATE OF kind, id, digest, organization_id, user_id, idempotency_key ON tower_api_key_credentials BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE NEW.kind = 'pat' AND kind = 'pat' AND digest = NEW.digest AND (kind <> OLD.kind OR id <> OLD.id);
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE organization_id = NEW.organization_id AND idempotency_key = NEW.idempotency_key
            AND (kind <> OLD.kind OR id <> OLD.id);
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', kind, id FROM tower_api_key_credentials
        WHERE user_id = NEW.user_id AND idempotency_key = NEW.idempotency_key AND (kind <> OLD.kind OR id <> OLD.id);
END;
-- Nothing takes the place of what was logged.
CREATE TRIGGER tower_api_key_changes_kept BEFORE INSERT ON tower_api_key_changes
WHEN EXISTS (SELECT 1 FROM tower_api_key_changes WHERE seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'the change log is not rewritten');
END;
CREATE TRIGGER tower_api_key_changes_numbers_kept BEFORE UPDATE OF seq ON tower_api_key_changes BEGIN
    SELECT RAISE(ABORT, 'the change log is not rewritten');
END;
CREATE TRIGGER tower_api_key_events_kept BEFORE INSERT ON tower_api_key_events
WHEN EXISTS (SELECT 1 FROM tower_api_key_events WHERE number = NEW.number) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is not rewritten');
END;
CREATE TRIGGER tower_api_key_events_numbers_kept BEFORE UPDATE OF number ON tower_api_key_events BEGIN
    SELECT RAISE(ABORT, 'the audit trail is not rewritten');
END;

-- Whether the first use of a credential after its rotation has been told.
ALTER TABLE tower_api_key_uses ADD COLUMN reported INTEGER NOT NULL DEFAULT 0 CHECK (reported IN (0, 1));
UPDATE tower_api_key_uses SET reported = 1 WHERE EXISTS (
    SELECT 1 FROM tower_api_key_credentials c
    WHERE c.kind = tower_api_key_uses.kind AND c.id = tower_api_key_uses.id AND c.rotated_at <= tower_api_key_uses.at
);

-- Who did what, to be found when a user is removed.
CREATE INDEX tower_api_key_events_by_user ON tower_api_key_events (by_user) WHERE by_user IS NOT NULL;

-- What no writer of ours writes is refused from everybody: scopes that are not text, an idempotency
-- key without its request, the name of no pepper, text that is not UTF-8. Triggers, because a
-- constraint that is added would have to hold for the rows that are there. SQLite has no function
-- that validates UTF-8: a character that is not the one that its own number makes is none. (SQLite
-- reads U+FFFE and U+FFFF, which are valid, as U+FFFD.) Like constraints they do nothing where
-- `ignore_check_constraints` is on: only then a row fits into the table that tells.
CREATE TABLE tower_api_key_unchecked (never INTEGER NOT NULL CHECK (never = 0)) STRICT;
CREATE TRIGGER tower_api_key_credential_inserted_sound BEFORE INSERT ON tower_api_key_credentials
WHEN EXISTS (SELECT 1 FROM json_each(iif(json_valid(NEW.scopes), NEW.scopes, '[]')) WHERE type <> 'text')
    OR (NEW.idempotency_key IS NULL) <> (NEW.request IS NULL)
    OR NEW.pepper GLOB '*[^A-Za-z0-9._-]*' OR length(NEW.pepper) NOT BETWEEN 1 AND 64
    OR EXISTS (
        SELECT 1 FROM
            (SELECT NEW.id || ' ' || NEW.name || ' ' || coalesce(NEW.role, '') || ' ' || coalesce(NEW.rotated_from, '')
                || ' ' || coalesce(NEW.rotated_to, '') || ' ' || coalesce(NEW.idempotency_key, '') AS text) t,
            json_each('[' || rtrim(replace(hex(zeroblob(length(t.text))), '00', '0,'), ',') || ']') n
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
-- Of a row that is damaged, what is sound may be changed.
CREATE TRIGGER tower_api_key_credential_updated_sound
BEFORE UPDATE OF id, name, role, scopes, rotated_from, rotated_to, idempotency_key, request, pepper
ON tower_api_key_credentials
WHEN (NEW.scopes IS NOT OLD.scopes AND EXISTS (SELECT 1 FROM json_each(iif(json_valid(NEW.scopes), NEW.scopes, '[]')) WHERE type <> 'text'))
    OR (NEW.idempotency_key IS NOT OLD.idempotency_key OR NEW.request IS NOT OLD.request)
        AND (NEW.idempotency_key IS NULL) <> (NEW.request IS NULL)
    OR NEW.pepper IS NOT OLD.pepper
        AND (NEW.pepper GLOB '*[^A-Za-z0-9._-]*' OR length(NEW.pepper) NOT BETWEEN 1 AND 64)
    OR EXISTS (
        SELECT 1 FROM
            (SELECT iif(NEW.id IS OLD.id, '', NEW.id) || ' ' || iif(NEW.name IS OLD.name, '', NEW.name)
                || ' ' || iif(NEW.role IS OLD.role, '', coalesce(NEW.role, ''))
                || ' ' || iif(NEW.rotated_from IS OLD.rotated_from, '', coalesce(NEW.rotated_from, ''))
                || ' ' || iif(NEW.rotated_to IS OLD.rotated_to, '', coalesce(NEW.rotated_to, ''))
                || ' ' || iif(NEW.idempotency_key IS OLD.idempotency_key, '', coalesce(NEW.idempotency_key, ''))
                AS text) t,
            json_each('[' || rtrim(replace(hex(zeroblob(length(t.text))), '00', '0,'), ',') || ']') n
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
