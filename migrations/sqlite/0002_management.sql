-- Peppers, what the management of credentials keeps beside what a look-up needs, and when a change was logged.

-- The name of the pepper under which the digest was made: HMAC-SHA-256 of the SHA-256 of the whole token. NULL: the SHA-256
-- itself.
ALTER TABLE tower_api_key_credentials ADD COLUMN pepper TEXT;

-- Times are in milliseconds since 1970. `created_at` is 0 where it is not known. `rotated_to` is the id of the credential
-- that was issued in the place of this one, `rotated_from` that in whose place this one was issued. `request` is the
-- SHA-256 of the request that an idempotency key came with.
ALTER TABLE tower_api_key_credentials ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE tower_api_key_credentials ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tower_api_key_credentials ADD COLUMN rotated_from TEXT;
ALTER TABLE tower_api_key_credentials ADD COLUMN rotated_to TEXT;
ALTER TABLE tower_api_key_credentials ADD COLUMN rotated_at INTEGER;
ALTER TABLE tower_api_key_credentials ADD COLUMN idempotency_key TEXT;
ALTER TABLE tower_api_key_credentials ADD COLUMN request BLOB CHECK (request IS NULL OR length(request) = 32);

-- Lists, the newest first.
CREATE INDEX tower_api_key_keys_by_age ON tower_api_key_credentials (organization_id, created_at, id)
    WHERE organization_id IS NOT NULL;
CREATE INDEX tower_api_key_tokens_by_age ON tower_api_key_credentials (user_id, created_at, id)
    WHERE user_id IS NOT NULL;

-- What is issued under an idempotency key is issued once.
CREATE UNIQUE INDEX tower_api_key_keys_by_idempotency ON tower_api_key_credentials (organization_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND organization_id IS NOT NULL;
CREATE UNIQUE INDEX tower_api_key_tokens_by_idempotency ON tower_api_key_credentials (user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND user_id IS NOT NULL;

-- When a credential was last used. A table of its own without triggers: a use is no change that a cache has to hear of.
CREATE TABLE tower_api_key_uses (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- The audit trail. The owner of the credential is an organization or a person. `by_sort` says who did it: 'org_key' and 'pat'
-- with the credential in `by_id`, 'person' with the person in `by_user` (as has 'pat'), 'operator' with a name in `by_id`,
-- 'holder' for whoever has the credential that it is about.
CREATE TABLE tower_api_key_events (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    at              INTEGER NOT NULL,
    action          TEXT NOT NULL,
    organization_id TEXT,
    user_id         TEXT,
    credential_id   TEXT NOT NULL,
    related_id      TEXT,
    by_sort         TEXT NOT NULL,
    by_id           TEXT,
    by_user         TEXT,
    origin          TEXT,
    CHECK ((organization_id IS NULL) <> (user_id IS NULL))
) STRICT;
CREATE INDEX tower_api_key_events_of_organization ON tower_api_key_events (organization_id, number)
    WHERE organization_id IS NOT NULL;
CREATE INDEX tower_api_key_events_of_user ON tower_api_key_events (user_id, number) WHERE user_id IS NOT NULL;

-- When a change was logged. By a trigger, since a column that is added cannot have a computed default.
ALTER TABLE tower_api_key_changes ADD COLUMN at INTEGER;
DROP TRIGGER tower_api_key_changes_pruned;
CREATE TRIGGER tower_api_key_changes_pruned AFTER INSERT ON tower_api_key_changes BEGIN
    UPDATE tower_api_key_changes SET at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE seq = NEW.seq;
    DELETE FROM tower_api_key_changes WHERE seq <= NEW.seq - 10000;
END;
