-- Peppers, and what the management of credentials keeps beside what a look-up needs.

-- The name of the pepper under which the digest was made: HMAC-SHA-256 of the SHA-256 of the whole token. Null: the SHA-256
-- itself.
ALTER TABLE credentials ADD COLUMN pepper text COLLATE "C";

-- Times are in milliseconds since 1970. `rotated_to` is the id of the credential that was issued in the place of this one,
-- `rotated_from` that in whose place this one was issued. `request` is the SHA-256 of the request that an idempotency key
-- came with.
ALTER TABLE credentials
    ADD COLUMN name            text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN rotated_from    text COLLATE "C",
    ADD COLUMN rotated_to      text COLLATE "C",
    ADD COLUMN rotated_at      bigint,
    ADD COLUMN idempotency_key text COLLATE "C",
    ADD COLUMN request         bytea CONSTRAINT request_has_32_bytes CHECK (octet_length(request) = 32);

-- Lists, the newest first.
CREATE INDEX credentials_keys_by_age ON credentials (organization_id, created_at, id) WHERE organization_id IS NOT NULL;
CREATE INDEX credentials_tokens_by_age ON credentials (user_id, created_at, id) WHERE user_id IS NOT NULL;

-- What is issued under an idempotency key is issued once.
CREATE UNIQUE INDEX credentials_keys_by_idempotency ON credentials (organization_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND organization_id IS NOT NULL;
CREATE UNIQUE INDEX credentials_tokens_by_idempotency ON credentials (user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND user_id IS NOT NULL;

-- When a credential was last used. A table of its own without triggers: a use is no change that a cache has to hear of.
CREATE TABLE uses (
    kind text COLLATE "C" NOT NULL,
    id   text COLLATE "C" NOT NULL,
    at   bigint NOT NULL,
    PRIMARY KEY (kind, id)
);

-- The audit trail. The owner of the credential is an organization or a person. `by_sort` says who did it: 'org_key' and 'pat'
-- with the credential in `by_id`, 'person' with the person in `by_user` (as has 'pat'), 'operator' with a name in `by_id`,
-- 'holder' for whoever has the credential that it is about.
CREATE TABLE events (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              bigint NOT NULL,
    action          text COLLATE "C" NOT NULL,
    organization_id text COLLATE "C",
    user_id         text COLLATE "C",
    credential_id   text COLLATE "C" NOT NULL,
    related_id      text COLLATE "C",
    by_sort         text COLLATE "C" NOT NULL,
    by_id           text COLLATE "C",
    by_user         text COLLATE "C",
    origin          text,
    CONSTRAINT one_owner CHECK ((organization_id IS NULL) <> (user_id IS NULL))
);
CREATE INDEX events_of_organization ON events (organization_id, number) WHERE organization_id IS NOT NULL;
CREATE INDEX events_of_user ON events (user_id, number) WHERE user_id IS NOT NULL;
