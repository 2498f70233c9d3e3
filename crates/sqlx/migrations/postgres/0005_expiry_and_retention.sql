-- Reports of credentials that expire, and what remains of removed ones.
--
-- Changes of credentials wait while the three indexes on them are built; lookups do not.

-- When a credential was deleted. In a row that was deleted by an older program or by hand it is
-- NULL until the first sweep sets it.
ALTER TABLE credentials ADD COLUMN deleted_at bigint;
CREATE INDEX credentials_deleted ON credentials (deleted_at) WHERE status = 'deleted';
CREATE INDEX credentials_ending ON credentials (expires_at, kind, id)
    WHERE expires_at IS NOT NULL AND status <> 'deleted';
CREATE INDEX credentials_repeatable ON credentials (created_at) WHERE idempotency_key IS NOT NULL;

-- What is left of a removed credential: its kind and id stay taken, and so does the digest of a
-- token, by which it would be found.
CREATE TABLE tombstones (
    kind   text COLLATE "C" NOT NULL,
    id     text COLLATE "C" NOT NULL,
    digest bytea,
    PRIMARY KEY (kind, id)
);
CREATE INDEX tombstones_token_digest ON tombstones (digest) WHERE digest IS NOT NULL;

-- How much of an overlap had passed at the last use of the replaced credential that is in the audit
-- trail: 0 none is, 1 less than half, 2 half, 3 nine tenths. Beside `rotation_reported`, which
-- older programs know: either says that a use is there.
ALTER TABLE uses ADD COLUMN overlap_stage smallint NOT NULL DEFAULT 0;

-- The expiry that an event reports.
ALTER TABLE events ADD COLUMN expires_at bigint;
CREATE INDEX events_of_expiry ON events (number) WHERE action IN ('expires_soon', 'overlap_ended');
CREATE INDEX events_by_age ON events (at);

-- How far was searched, in the order of expiry, kind and id, for each threshold in milliseconds,
-- where 0 is the end of an overlap. A transaction that reports expiry locks the table first, so
-- that the numbers of these events are in the order of the commits.
CREATE TABLE expiry_watch (
    threshold bigint PRIMARY KEY,
    through   bigint NOT NULL,
    kind      text COLLATE "C" NOT NULL, -- '~' after all kinds
    id        text COLLATE "C" NOT NULL
);

-- Older programs neither report expiry nor remove rows. They do not know tombstones: while one of
-- them runs, an import could take the id of one.
INSERT INTO compatibility VALUES (5, 3);
