-- What keeps management fast and exact: indexes that pass over dead rows, turns, and constraints against damage.

-- Lists and counts ask for one state at a time. A credential with an unknown standing is listed with the disabled ones.
-- Both indexes keep the deleted rows of an owner apart, and the second one keeps the expired ones apart too. An
-- expiry of 9223372036854775807 stands for never.
--
-- The second one has state and owner in one column: so neither index can answer what is meant for the other, however few
-- rows of an owner the planner expects.
CREATE INDEX credentials_keys_by_state ON credentials (organization_id,
    (CASE WHEN standing IN ('active', 'deleted') THEN standing ELSE 'disabled' END), created_at, id)
    WHERE organization_id IS NOT NULL;
CREATE INDEX credentials_tokens_by_state ON credentials (user_id,
    (CASE WHEN standing IN ('active', 'deleted') THEN standing ELSE 'disabled' END), created_at, id)
    WHERE user_id IS NOT NULL;
CREATE INDEX credentials_keys_by_expiry ON credentials (
    ((CASE WHEN standing IN ('active', 'deleted') THEN standing ELSE 'disabled' END) || ':' || organization_id),
    (coalesce(expires_at, 9223372036854775807))) WHERE organization_id IS NOT NULL;
CREATE INDEX credentials_tokens_by_expiry ON credentials (
    ((CASE WHEN standing IN ('active', 'deleted') THEN standing ELSE 'disabled' END) || ':' || user_id),
    (coalesce(expires_at, 9223372036854775807))) WHERE user_id IS NOT NULL;
DROP INDEX credentials_keys_by_age, credentials_tokens_by_age;

-- A transaction that issues or changes credentials of an owner locks the owner's row here, so that a cap is exact and the
-- numbers of an owner's events follow the order of the commits. Locks on the owner's own row do not hold it up.
CREATE TABLE owner_turns (
    kind text COLLATE "C" NOT NULL,
    id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);

-- What no writer of ours writes. A row that breaks one of these can still be disabled and deleted.
ALTER TABLE organizations ADD CONSTRAINT id_is_not_blank CHECK (deleted OR id ~ '\S') NOT VALID;
ALTER TABLE users ADD CONSTRAINT id_is_not_blank CHECK (disabled OR id ~ '\S') NOT VALID;
ALTER TABLE memberships ADD CONSTRAINT role_is_not_empty CHECK (role <> '') NOT VALID;
ALTER TABLE credentials
    ADD CONSTRAINT id_is_not_blank CHECK (standing <> 'active' OR id ~ '\S') NOT VALID,
    ADD CONSTRAINT name_has_no_control CHECK (standing <> 'active' OR name !~ '[\x01-\x1f\x7f]') NOT VALID,
    ADD CONSTRAINT role_is_not_empty CHECK (standing <> 'active' OR role <> '') NOT VALID,
    ADD CONSTRAINT pepper_is_not_empty CHECK (standing <> 'active' OR pepper <> '') NOT VALID,
    ADD CONSTRAINT idempotency_is_whole
        CHECK (standing <> 'active' OR (idempotency_key IS NULL) = (request IS NULL)) NOT VALID,
    -- Printable ASCII except space, quote and backslash (RFC 6749, section 3.3), in one dimension, without NULL.
    ADD CONSTRAINT scopes_are_scopes CHECK (standing <> 'active' OR CASE
        WHEN scopes IS NULL OR cardinality(scopes) = 0 THEN true
        WHEN array_ndims(scopes) <> 1 THEN false
        ELSE array_position(scopes, NULL) IS NULL AND array_position(scopes, '') IS NULL
            AND array_to_string(scopes, '') ~ '^[!#-[\]-~]*$'
    END) NOT VALID;

-- A database that holds damaged rows keeps them, and refuses new ones.
DO $$
DECLARE
    added record;
BEGIN
    FOR added IN
        SELECT conname, conrelid::regclass AS owner FROM pg_constraint
        WHERE contype = 'c' AND NOT convalidated AND connamespace = current_schema()::regnamespace
    LOOP
        BEGIN
            EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', added.owner, added.conname);
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'table % has rows that break the constraint %', added.owner, added.conname;
        END;
    END LOOP;
END
$$;

-- Whether the audit trail has the first use after the rotation of the credential.
ALTER TABLE uses ADD COLUMN rotation_reported boolean NOT NULL DEFAULT false;
UPDATE uses u SET rotation_reported = true FROM credentials c
    WHERE c.kind = u.kind AND c.id = u.id AND c.rotated_to IS NOT NULL AND u.at >= c.rotated_at;

-- What a person did, to be found when they are erased.
CREATE INDEX events_by_user ON events (by_user, number) WHERE by_user IS NOT NULL;

-- A version that knows the third migration can use the schema. Its commits take no turns, so that a cap is exact again once all
-- nodes know this one.
INSERT INTO compatibility (migration, oldest) VALUES (4, 3);
