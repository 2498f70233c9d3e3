-- Organizations, people, memberships, credentials, and the log of their changes. PostgreSQL 13 or newer.
--
-- Runs with the search path set to the schema of the store alone. Ids are compared byte for byte (COLLATE "C"), so that
-- case, trailing blanks and Unicode make no aliases.

CREATE TABLE organizations (
    id      text COLLATE "C" PRIMARY KEY,
    parent  text COLLATE "C" REFERENCES organizations,
    deleted boolean NOT NULL DEFAULT false
);

CREATE TABLE users (
    id       text COLLATE "C" PRIMARY KEY,
    disabled boolean NOT NULL DEFAULT false
);

CREATE TABLE memberships (
    user_id         text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations ON DELETE CASCADE,
    role            text COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, organization_id)
);

-- A deleted credential keeps its row, so that its id cannot come back as somebody else's.
CREATE TABLE credentials (
    kind            text COLLATE "C" NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('org_key', 'pat')),
    id              text COLLATE "C" NOT NULL,
    digest          bytea NOT NULL CONSTRAINT digest_has_32_bytes CHECK (octet_length(digest) = 32),
    organization_id text COLLATE "C" REFERENCES organizations,
    user_id         text COLLATE "C" REFERENCES users,
    role            text COLLATE "C",
    scopes          text[] COLLATE "C", -- null when they are those of the role
    standing        text COLLATE "C" NOT NULL DEFAULT 'active' CONSTRAINT standing_is_known
                    CHECK (standing IN ('active', 'disabled', 'deleted')),
    expires_at      bigint, -- milliseconds since 1970 without leap seconds; null is never
    created_at      bigint NOT NULL DEFAULT floor(extract(epoch FROM clock_timestamp()) * 1000),
    PRIMARY KEY (kind, id),
    CONSTRAINT owner_fits_kind
        CHECK ((kind = 'org_key') = (organization_id IS NOT NULL) AND (kind = 'pat') = (user_id IS NOT NULL)),
    CONSTRAINT tokens_grant_nothing CHECK (kind = 'org_key' OR (role IS NULL AND scopes IS NULL))
);

-- A personal token is found by its digest.
CREATE UNIQUE INDEX credentials_token_digest ON credentials (digest) WHERE kind = 'pat';

-- What changed, in words that a cache understands. Every transaction of every writer appends, by the triggers below.
--
-- The numbers of a sequence are not given out in the order of the commits, so a reader does not count on them: it asks for
-- the rows whose transaction (xid) its last snapshot did not see. Within what one reading finds, seq is the order.
CREATE TABLE changes (
    seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    subject text COLLATE "C" NOT NULL, -- credential, user, organization, everything
    kind    text COLLATE "C",          -- of a credential
    id      text COLLATE "C"
);
CREATE INDEX changes_xid ON changes (xid);

-- The newest transaction of which rows were removed from the log. A reader whose last snapshot is older has missed some.
CREATE TABLE horizon (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    through xid8 NOT NULL
);
INSERT INTO horizon (through) VALUES (pg_current_xact_id());

-- The log's functions run as their owner: whoever may write credentials need not be allowed to write the log.
CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    line jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        line := to_jsonb(OLD);
        INSERT INTO changes (subject, kind, id) VALUES (TG_ARGV[0], line ->> 'kind', line ->> TG_ARGV[1]);
    END IF;
    -- A row that was renamed has changed under both names.
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (line ->> 'kind', line ->> TG_ARGV[1])
        IS DISTINCT FROM (to_jsonb(NEW) ->> 'kind', to_jsonb(NEW) ->> TG_ARGV[1]) THEN
        line := to_jsonb(NEW);
        INSERT INTO changes (subject, kind, id) VALUES (TG_ARGV[0], line ->> 'kind', line ->> TG_ARGV[1]);
    END IF;
    PERFORM pg_notify(TG_TABLE_SCHEMA || '_changes', '');
    RETURN NULL;
END
$$;

CREATE FUNCTION log_truncation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (subject) VALUES ('everything');
    PERFORM pg_notify(TG_TABLE_SCHEMA || '_changes', '');
    RETURN NULL;
END
$$;

CREATE FUNCTION move_horizon() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    newest xid8;
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT xid INTO newest FROM gone ORDER BY xid DESC LIMIT 1;
    ELSE
        newest := pg_current_xact_id();
    END IF;
    IF newest IS NOT NULL THEN
        UPDATE horizon SET through = newest WHERE through < newest;
        PERFORM pg_notify(TG_TABLE_SCHEMA || '_changes', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON organizations
    FOR EACH ROW EXECUTE FUNCTION log_change('organization', 'id');
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION log_change('user', 'id');
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON memberships
    FOR EACH ROW EXECUTE FUNCTION log_change('user', 'user_id');
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON credentials
    FOR EACH ROW EXECUTE FUNCTION log_change('credential', 'id');

CREATE TRIGGER truncated AFTER TRUNCATE ON organizations EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON users EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON memberships EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON credentials EXECUTE FUNCTION log_truncation();

CREATE TRIGGER pruned AFTER DELETE ON changes REFERENCING OLD TABLE AS gone EXECUTE FUNCTION move_horizon();
CREATE TRIGGER truncated AFTER TRUNCATE ON changes EXECUTE FUNCTION move_horizon();

-- Also for what replication applies.
ALTER TABLE organizations ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE users ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE memberships ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE credentials ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
