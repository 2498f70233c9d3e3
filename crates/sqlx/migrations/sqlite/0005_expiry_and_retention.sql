-- Reports of credentials that expire, and what remains of removed ones.

-- When a credential was deleted. In a row that was deleted by an older program or by hand it is
-- NULL until the first sweep sets it.
ALTER TABLE tower_api_key_credentials ADD COLUMN deleted_at INTEGER;
CREATE INDEX tower_api_key_credentials_deleted ON tower_api_key_credentials (deleted_at)
    WHERE status = 'deleted';
CREATE INDEX tower_api_key_credentials_ending ON tower_api_key_credentials (expires_at)
    WHERE expires_at IS NOT NULL AND status <> 'deleted';
CREATE INDEX tower_api_key_credentials_repeatable ON tower_api_key_credentials (created_at)
    WHERE idempotency_key IS NOT NULL;

-- What is left of a removed credential: its kind and id stay taken, and so does the digest of a
-- token, by which it would be found.
CREATE TABLE tower_api_key_tombstones (
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    digest BLOB,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tower_api_key_tombstones_by_digest ON tower_api_key_tombstones (digest)
    WHERE digest IS NOT NULL;

-- From every writer.
CREATE TRIGGER tower_api_key_credential_not_removed BEFORE INSERT ON tower_api_key_credentials
WHEN EXISTS (SELECT 1 FROM tower_api_key_tombstones WHERE kind = NEW.kind AND id = NEW.id)
    OR NEW.kind = 'pat'
        AND EXISTS (SELECT 1 FROM tower_api_key_tombstones WHERE digest = NEW.digest)
BEGIN
    SELECT RAISE(ABORT, 'the id of a removed credential stays taken');
END;

-- What changes no answer is not logged, as a million such changes would push everything else out of
-- the log: the removal of a deleted credential, and updates of the columns that are not named here.
DROP TRIGGER tower_api_key_credential_updated;
CREATE TRIGGER tower_api_key_credential_updated
AFTER UPDATE OF kind, id, digest, pepper, status, expires_at, organization_id, user_id, role,
    scopes, name, created_at, rotated_from, rotated_to, rotated_at, own_scopes, own_organizations,
    description, metadata, allowed_networks, environment
ON tower_api_key_credentials BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id) VALUES ('credential', OLD.kind, OLD.id);
    INSERT INTO tower_api_key_changes (subject, kind, id)
        SELECT 'credential', NEW.kind, NEW.id WHERE NEW.kind <> OLD.kind OR NEW.id <> OLD.id;
END;
DROP TRIGGER tower_api_key_credential_deleted;
CREATE TRIGGER tower_api_key_credential_deleted AFTER DELETE ON tower_api_key_credentials
WHEN OLD.status <> 'deleted' BEGIN
    INSERT INTO tower_api_key_changes (subject, kind, id) VALUES ('credential', OLD.kind, OLD.id);
END;

-- How much of an overlap had passed at the last use of the replaced credential that is in the audit
-- trail: 0 none is, 1 less than half, 2 half, 3 nine tenths. Beside `rotation_reported`, which
-- older programs know: either says that a use is there.
ALTER TABLE tower_api_key_uses ADD COLUMN overlap_stage INTEGER NOT NULL DEFAULT 0;

-- The expiry that an event reports.
ALTER TABLE tower_api_key_events ADD COLUMN expires_at INTEGER;
CREATE INDEX tower_api_key_events_of_expiry ON tower_api_key_events (number)
    WHERE action IN ('expires_soon', 'overlap_ended');
CREATE INDEX tower_api_key_events_by_age ON tower_api_key_events (at);

-- How far was searched, in the order of expiry, kind and id, for each threshold in milliseconds,
-- where 0 is the end of an overlap.
CREATE TABLE tower_api_key_expiry_watch (
    threshold INTEGER NOT NULL PRIMARY KEY,
    through   INTEGER NOT NULL,
    kind      TEXT NOT NULL, -- '~' after all kinds
    id        TEXT NOT NULL
) STRICT;

-- Older programs neither report expiry nor remove rows.
INSERT INTO tower_api_key_compatibility VALUES (5, 3);
