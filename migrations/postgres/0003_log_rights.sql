-- Nobody but the owner runs the log's functions, and no follower can miss a prune.

-- Counts the removals from the log, so that each of them shows. `through` is the newest transaction
-- of which rows were ever removed.
ALTER TABLE horizon ADD COLUMN prunes bigint NOT NULL DEFAULT 0;

-- The migrations that an older version can run on: one that knows migration `oldest` need not know
-- `migration`. A migration that older versions can run on inserts its row; without one they refuse
-- the schema.
CREATE TABLE compatibility (
    migration bigint PRIMARY KEY,
    oldest    bigint NOT NULL CHECK (oldest <= migration)
);

-- Makes the commit durable, whatever the role or the database says of `synchronous_commit`, and
-- wakes the followers. A transaction that is to be prepared (PREPARE TRANSACTION) cannot notify: it
-- sets `tower_api_key.notify` to off, and followers find its rows when they next read the log. So they
-- do when the server's queue of notifications is more than half full: anybody who may connect can fill
-- it, and no transaction that notifies can commit once it is full.
CREATE FUNCTION announce(channel text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    IF current_setting('tower_api_key.notify', true) IS DISTINCT FROM 'off'
        AND pg_notification_queue_usage() <= 0.5 THEN
        PERFORM pg_notify(channel, '');
    END IF;
END
$$;

-- The log's functions run as their owner, so each refuses to be the trigger of anything but the
-- tables of its own schema before it looks at a row: a column of a stranger's table may have a type
-- whose conversions are the stranger's functions.
CREATE OR REPLACE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    what     text;
    old_kind text COLLATE "C";
    old_id   text COLLATE "C";
    new_kind text COLLATE "C";
    new_id   text COLLATE "C";
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_LEVEL <> 'ROW' OR TG_NARGS <> 0 THEN
        RAISE EXCEPTION 'log_change() is for its own triggers' USING ERRCODE = 'insufficient_privilege';
    ELSIF TG_RELID = 'credentials'::regclass THEN
        what := 'credential';
        old_kind := OLD.kind;
        old_id := OLD.id;
        new_kind := NEW.kind;
        new_id := NEW.id;
    ELSIF TG_RELID = 'memberships'::regclass THEN
        what := 'user';
        old_id := OLD.user_id;
        new_id := NEW.user_id;
    ELSIF TG_RELID = 'users'::regclass THEN
        what := 'user';
        old_id := OLD.id;
        new_id := NEW.id;
    ELSIF TG_RELID = 'organizations'::regclass THEN
        what := 'organization';
        old_id := OLD.id;
        new_id := NEW.id;
    ELSE
        RAISE EXCEPTION 'log_change() is for its own triggers' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO changes (subject, kind, id) VALUES (what, old_kind, old_id);
    END IF;
    -- A row that was renamed has changed under both names.
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (old_kind, old_id) IS DISTINCT FROM (new_kind, new_id) THEN
        INSERT INTO changes (subject, kind, id) VALUES (what, new_kind, new_id);
    END IF;
    PERFORM announce(TG_TABLE_SCHEMA || '_changes');
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION log_truncation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_OP <> 'TRUNCATE' OR TG_NARGS <> 0 OR TG_RELID NOT IN ('organizations'::regclass,
        'users'::regclass, 'memberships'::regclass, 'credentials'::regclass) THEN
        RAISE EXCEPTION 'log_truncation() is for its own triggers' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO changes (subject) VALUES ('everything');
    PERFORM announce(TG_TABLE_SCHEMA || '_changes');
    RETURN NULL;
END
$$;

-- Rows of the log were removed or altered. A truncation also corrects what a dump of another
-- cluster brought along, where transactions have other numbers: whoever has not seen the truncation
-- itself has missed something.
CREATE OR REPLACE FUNCTION move_horizon() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    newest xid8;
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_LEVEL <> 'STATEMENT' OR TG_NARGS <> 0 OR TG_RELID <> 'changes'::regclass THEN
        RAISE EXCEPTION 'move_horizon() is for its own triggers' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE horizon SET prunes = prunes + 1, through = pg_current_xact_id();
    ELSE
        IF TG_OP = 'DELETE' THEN
            SELECT xid INTO newest FROM gone ORDER BY xid DESC LIMIT 1;
        ELSE
            -- The time of a row is no part of what it tells.
            SELECT xid INTO newest FROM (
                SELECT seq, xid, subject, kind, id FROM gone EXCEPT SELECT seq, xid, subject, kind, id FROM come
            ) altered ORDER BY xid DESC LIMIT 1;
        END IF;
        IF newest IS NULL THEN
            RETURN NULL;
        END IF;
        UPDATE horizon SET prunes = prunes + 1, through = CASE WHEN through < newest THEN newest ELSE through END;
    END IF;
    PERFORM announce(TG_TABLE_SCHEMA || '_changes');
    RETURN NULL;
END
$$;

-- Built-in functions and operators come first, temporary tables last. Only the owner may make
-- triggers of them.
DO $$
DECLARE
    signature text;
BEGIN
    FOREACH signature IN ARRAY ARRAY['announce(text)', 'log_change()', 'log_truncation()', 'move_horizon()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', signature, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    END LOOP;
END
$$;

DROP TRIGGER IF EXISTS logged ON organizations;
DROP TRIGGER IF EXISTS logged ON users;
DROP TRIGGER IF EXISTS logged ON memberships;
DROP TRIGGER IF EXISTS logged ON credentials;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON organizations FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON credentials FOR EACH ROW EXECUTE FUNCTION log_change();

DROP TRIGGER IF EXISTS truncated ON organizations;
DROP TRIGGER IF EXISTS truncated ON users;
DROP TRIGGER IF EXISTS truncated ON memberships;
DROP TRIGGER IF EXISTS truncated ON credentials;
CREATE TRIGGER truncated AFTER TRUNCATE ON organizations EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON users EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON memberships EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON credentials EXECUTE FUNCTION log_truncation();

DROP TRIGGER IF EXISTS pruned ON changes;
DROP TRIGGER IF EXISTS truncated ON changes;
CREATE TRIGGER pruned AFTER DELETE ON changes REFERENCING OLD TABLE AS gone EXECUTE FUNCTION move_horizon();
CREATE TRIGGER altered AFTER UPDATE ON changes REFERENCING OLD TABLE AS gone NEW TABLE AS come
    EXECUTE FUNCTION move_horizon();
CREATE TRIGGER truncated AFTER TRUNCATE ON changes EXECUTE FUNCTION move_horizon();

-- Whoever applies rows by replication or restores data without triggers fires these all the same.
ALTER TABLE organizations ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE users ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE memberships ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE credentials ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE changes ENABLE ALWAYS TRIGGER pruned, ENABLE ALWAYS TRIGGER altered, ENABLE ALWAYS TRIGGER truncated;
