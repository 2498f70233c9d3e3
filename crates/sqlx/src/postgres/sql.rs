//! The statements of a store, with the schema's name written into each once.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Postgres, postgres::PgArguments, query::Query};

/// A statement, prepared once per connection by the driver.
pub(super) struct Statement(Arc<str>);

impl Statement {
    pub(super) fn new(text: String) -> Self {
        Self(text.into())
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Safe: the text is one of this crate's, and the only foreign thing in it is a
    /// [`Schema`](super::schema::Schema).
    pub(super) fn query(&self) -> Query<'static, Postgres, PgArguments> {
        sqlx::query(AssertSqlSafe(Arc::clone(&self.0)))
    }
}

macro_rules! statements {
    ($(#[doc = $about:literal])+ $of:ident: $($(#[doc = $doc:literal])* $name:ident = $text:expr;)+) => {
        $(#[doc = $about])+
        pub(in crate::postgres) struct $of {
            $($(#[doc = $doc])* pub(in crate::postgres) $name: Statement,)+
        }

        impl $of {
            pub(in crate::postgres) fn of(statement: impl Fn(&str) -> Statement) -> Self {
                Self { $($name: statement($text),)+ }
            }
        }
    };
}

pub(super) use statements;

macro_rules! token {
    ($by:literal) => {
        concat!(
            "SELECT c.digest, c.id, c.pepper, c.status, c.expires_at, c.user_id, u.enabled, m.role,
                c.own_scopes, c.own_organizations, c.rotated_to IS NOT NULL AS rotated, c.description,
                c.metadata::text AS metadata, c.allowed_networks, c.environment
            FROM $$.credentials c
            LEFT JOIN $$.users u ON u.id = c.user_id
            LEFT JOIN $$.organizations o ON o.id = $2 AND NOT o.deleted
            LEFT JOIN $$.memberships m ON m.user_id = c.user_id AND m.organization_id = o.id
            WHERE c.kind = 'pat' AND ",
            $by
        )
    };
}

/// The latest stage of the overlap whose event is in the trail, of the recorded use `u`.
macro_rules! reported_stage {
    () => {
        "greatest(u.overlap_stage, u.rotation_reported::int)"
    };
}

/// How far after the recorded use `u` the use `n` must be, in milliseconds.
macro_rules! apart {
    () => {
        "coalesce(CASE WHEN c.rotated_to IS NOT NULL THEN 1 END, n.every, CASE
                WHEN n.at < least(coalesce(u.first_at, u.at), 9223372036768375807) + 3600000 THEN 60000
                WHEN n.at < least(coalesce(u.first_at, u.at), 9223372036768375807) + 86400000 THEN 3600000
                ELSE 86400000
            END)"
    };
}

statements! {
    /// The statements of a store.
    Statements:

    /// Finds a key, with the state of its organization: $1 id.
    find_key = "
        SELECT c.digest, c.pepper, c.status, c.expires_at, c.organization_id, o.deleted, c.role, c.scopes,
            c.rotated_to IS NOT NULL AS rotated, c.description, c.metadata::text AS metadata, c.allowed_networks,
            c.environment
        FROM $$.credentials c LEFT JOIN $$.organizations o ON o.id = c.organization_id
        WHERE c.kind = 'org_key' AND c.id = $1";
    /// Finds a token, with the state of its owner and the membership in an organization that is not
    /// deleted: $1 digest, $2 organization.
    find_token = token!("c.digest = $1");
    /// Finds a token by one of several digests: $1 digests, $2 organization.
    find_peppered_token = token!("c.digest = ANY($1)");
    /// Finds a token by its id: $1 id, $2 organization.
    token_by_id = token!("c.id = $1");
    /// Finds a user and their role in an organization that is not deleted: $1 user, $2
    /// organization.
    user_by_id = "
        SELECT u.enabled, m.role
        FROM $$.users u
        LEFT JOIN $$.organizations o ON o.id = $2 AND NOT o.deleted
        LEFT JOIN $$.memberships m ON m.user_id = u.id AND m.organization_id = o.id
        WHERE u.id = $1";
    /// UNION drops the organizations already seen, so it ends even if a row makes the parents a
    /// ring.
    is_descendant = "
        WITH RECURSIVE above (id) AS (
            SELECT p.id FROM $$.organizations o JOIN $$.organizations p ON p.id = o.parent_id
            WHERE o.id = $1 AND NOT o.deleted AND NOT p.deleted
            UNION
            SELECT p.id FROM above a JOIN $$.organizations o ON o.id = a.id
                JOIN $$.organizations p ON p.id = o.parent_id
            WHERE NOT p.deleted
        )
        SELECT EXISTS (SELECT 1 FROM above WHERE id = $2 AND id <> $1)";

    /// Locks the organization as it is until the transaction ends.
    living_organization = "SELECT 1 FROM $$.organizations WHERE id = $1 AND NOT deleted FOR SHARE";
    /// Locks the user, who may be changed but not removed.
    known_user = "SELECT 1 FROM $$.users WHERE id = $1 FOR KEY SHARE";
    create_organization = "INSERT INTO $$.organizations (id, parent_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    delete_organization = "
        UPDATE $$.organizations SET deleted = true WHERE id = $1 AND NOT deleted RETURNING deleted AS made";
    create_user = "INSERT INTO $$.users (id) VALUES ($1) ON CONFLICT DO NOTHING";
    set_user_enabled = "UPDATE $$.users SET enabled = $2 WHERE id = $1 RETURNING enabled = $2 AS made";
    set_member = "
        INSERT INTO $$.memberships (user_id, organization_id, role) VALUES ($1, $2, $3)
        ON CONFLICT (user_id, organization_id) DO UPDATE SET role = excluded.role RETURNING role = $3 AS made";
    /// Returns whether a membership that was there was removed.
    remove_member = "
        WITH held AS (
            SELECT user_id, organization_id FROM $$.memberships
            WHERE user_id = $1 AND organization_id = $2 FOR UPDATE
        ), removed AS (
            DELETE FROM $$.memberships m USING held
            WHERE m.user_id = held.user_id AND m.organization_id = held.organization_id RETURNING true
        )
        SELECT EXISTS (SELECT FROM removed) AS made FROM held";
    insert = "
        INSERT INTO $$.credentials (kind, id, digest, status, expires_at, organization_id, user_id, role,
            scopes, name, created_at, rotated_from, rotated_to, rotated_at, idempotency_key, request_hash,
            pepper, own_scopes, own_organizations, description, metadata, allowed_networks, environment,
            created_by_kind, created_by_id, created_by_user_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21::jsonb,
            $22, $23, $24, $25, $26)
        ON CONFLICT DO NOTHING";

    /// Locks the digest of a credential until it is rehashed.
    lock_digest = "SELECT digest, pepper FROM $$.credentials WHERE kind = $1 AND id = $2 FOR NO KEY UPDATE";
    rehash = "UPDATE $$.credentials SET digest = $3, pepper = $4 WHERE kind = $1 AND id = $2";

    /// Inserts events, numbered in their order.
    insert_events = "
        INSERT INTO $$.events (at, action, organization_id, user_id, credential_id, related_id,
            actor_kind, actor_id, actor_user_id, origin, description, metadata, allowed_networks, environment,
            expires_at)
        SELECT e.at, e.action, e.organization_id, e.user_id, e.credential_id, e.related_id,
            e.actor_kind, e.actor_id, e.actor_user_id, e.origin, e.description, e.metadata::jsonb, e.allowed_networks,
            e.environment, e.expires_at
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[])
            WITH ORDINALITY
            AS e (at, action, organization_id, user_id, credential_id, related_id,
                actor_kind, actor_id, actor_user_id, origin, description, metadata, allowed_networks, environment,
                expires_at, place)
        ORDER BY e.place
        RETURNING number";
    /// Locks the users whose tokens these are, so that no user is erased before the uses are
    /// written.
    lock_users = "
        SELECT u.id FROM $$.users u WHERE u.id IN (
            SELECT c.user_id FROM unnest($1::text[], $2::text[]) AS n (kind, id)
                JOIN $$.credentials c ON c.kind = n.kind AND c.id = n.id
        ) ORDER BY u.id FOR KEY SHARE";
    /// Inserts a row for each credential without one, with the least moment there is. The credential
    /// is locked: whoever removes it would not see the row.
    begin_uses = "
        INSERT INTO $$.uses (kind, id, at)
        SELECT unused.kind, unused.id, (-9223372036854775808)::bigint
        FROM (
            SELECT c.kind, c.id FROM unnest($1::text[], $2::text[]) AS n (kind, id)
                JOIN $$.credentials c ON c.kind = n.kind AND c.id = n.id
            WHERE NOT EXISTS (SELECT FROM $$.uses u WHERE u.kind = n.kind AND u.id = n.id)
            ORDER BY c.kind, c.id FOR KEY SHARE OF c
        ) AS unused
        ON CONFLICT DO NOTHING";
    /// Selects and locks the uses to write, of those at $3 in milliseconds, $4 of which came after
    /// a rotation; $5 is their granularity in milliseconds, NULL if it is adaptive; $6 and $7 are
    /// where they came from. None is later than now. The conditions on `u` are evaluated again once
    /// the row is locked.
    ///
    /// Selects as `Usage::decide` does, which then decides on the events. The numbers are bounded so
    /// that no sum overflows.
    lock_due_uses = concat!("
        SELECT u.kind, u.id, n.at, n.address, n.user_agent, n.after_rotation, c.organization_id, c.user_id,
            nullif(u.at, (-9223372036854775808)::bigint) AS recorded, u.first_at, c.rotated_from, c.rotated_to,
            c.rotated_at, c.expires_at, ", reported_stage!(), " AS stage
        FROM (
            SELECT kind, id, bool_or(after_rotation) AS after_rotation, min(every) AS every,
                (array_agg(address ORDER BY at DESC))[1] AS address,
                (array_agg(user_agent ORDER BY at DESC))[1] AS user_agent,
                least(max(at), floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS at
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bool[], $5::bigint[], $6::text[], $7::text[])
                AS n (kind, id, at, after_rotation, every, address, user_agent)
            GROUP BY kind, id
        ) n
        JOIN $$.uses u ON u.kind = n.kind AND u.id = n.id
        JOIN $$.credentials c ON c.kind = n.kind AND c.id = n.id
        WHERE u.at <= greatest(n.at, -9223372036854775807 + ", apart!(), ") - ", apart!(), "
            OR c.rotated_to IS NOT NULL AND (n.after_rotation OR n.at >= c.rotated_at) AND ", reported_stage!(), " < CASE
                WHEN n.at >= c.rotated_at + (c.expires_at::numeric - c.rotated_at) * 0.9 THEN 3
                WHEN n.at >= c.rotated_at + (c.expires_at::numeric - c.rotated_at) * 0.5 THEN 2
                ELSE 1
            END
        ORDER BY u.kind, u.id FOR UPDATE OF u");
    write_uses = "
        UPDATE $$.uses u
        SET at = greatest(u.at, n.at), rotation_reported = u.rotation_reported OR n.stage > 0,
            overlap_stage = greatest(u.overlap_stage, n.stage),
            first_at = least(coalesce(u.first_at, nullif(u.at, (-9223372036854775808)::bigint)), n.at),
            last_address = CASE WHEN n.at >= u.at THEN n.address ELSE u.last_address END,
            last_user_agent = CASE WHEN n.at >= u.at THEN n.user_agent ELSE u.last_user_agent END
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::smallint[], $5::text[], $6::text[])
            AS n (kind, id, at, stage, address, user_agent)
        WHERE u.kind = n.kind AND u.id = n.id";

    /// Serializes reporting expiry.
    lock_watch = "LOCK TABLE $$.expiry_watch IN SHARE ROW EXCLUSIVE MODE";
    /// Returns how far was searched for a threshold $1.
    watched = "SELECT through, kind, id FROM $$.expiry_watch WHERE threshold = $1";
    /// Stores it, unless another search came further before the clock went back.
    move_watch = "
        INSERT INTO $$.expiry_watch AS w (threshold, through, kind, id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (threshold) DO UPDATE SET through = excluded.through, kind = excluded.kind, id = excluded.id
            WHERE (w.through, w.kind, w.id) < (excluded.through, excluded.kind, excluded.id)";
    /// Returns the accepted credentials after the place $1 to $3 that expire by $4, with the
    /// threshold $5, at most $6. As `ExpiryWindow::includes`.
    ending = "
        SELECT c.kind, c.id, c.expires_at, c.organization_id, c.user_id, c.rotated_to
        FROM $$.credentials c
        WHERE c.expires_at IS NOT NULL AND c.status <> 'deleted' AND c.status = 'active'
            AND (c.expires_at, c.kind, c.id) > ($1, $2, $3) AND c.expires_at <= $4
            AND CASE $5::bigint WHEN 0 THEN c.rotated_at < c.expires_at
                ELSE c.rotated_at IS NULL AND c.created_at <= c.expires_at - $5::bigint END
            AND NOT EXISTS (SELECT FROM $$.organizations o WHERE o.id = c.organization_id AND o.deleted)
            AND NOT EXISTS (SELECT FROM $$.users u WHERE u.id = c.user_id AND NOT u.enabled)
        ORDER BY c.expires_at, c.kind, c.id LIMIT $6";
    /// Returns which of these are still there and active.
    still_active = "
        SELECT c.kind, c.id FROM unnest($1::text[], $2::text[]) AS n (kind, id)
            JOIN $$.credentials c ON c.kind = n.kind AND c.id = n.id AND c.status = 'active'";
    expiry_events = "
        SELECT organization_id, user_id, number, at, action, credential_id, related_id, actor_kind, actor_id,
            actor_user_id, origin, expires_at, description, metadata::text AS metadata, allowed_networks, environment
        FROM $$.events
        WHERE action IN ('expires_soon', 'overlap_ended') AND number > $1 ORDER BY number LIMIT $2";
    has_use_since = "SELECT FROM $$.uses WHERE at >= $1 LIMIT 1";
    /// Returns credentials of the kind $1 after the id $2, at most $3.
    in_order = "
        SELECT c.organization_id, c.user_id, c.id, c.name, c.role, c.scopes, c.own_scopes, c.own_organizations,
            c.description, c.metadata::text AS metadata, c.allowed_networks, c.environment, c.status, c.created_at,
            c.expires_at, c.rotated_from, c.rotated_to, c.rotated_at, c.deleted_at, c.created_by_kind,
            c.created_by_id, c.created_by_user_id,
            coalesce(u.first_at, u.at) AS first_used_at, u.at AS last_used_at, u.last_address, u.last_user_agent
        FROM (SELECT * FROM $$.credentials WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3) AS c
            LEFT JOIN $$.uses u ON u.kind = c.kind AND u.id = c.id
        ORDER BY c.id";

    /// Dates at $1 at most $2 deletions by an older program, or by hand.
    date_deletions = "
        WITH undated AS (
            SELECT kind, id FROM $$.credentials WHERE status = 'deleted' AND deleted_at IS NULL
            LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE $$.credentials c SET deleted_at = $1 FROM undated WHERE c.kind = undated.kind AND c.id = undated.id";
    /// Returns what was deleted by $1 and what expired by $2, at most $3 of each.
    over = "
        (SELECT kind, id FROM $$.credentials WHERE status = 'deleted' AND deleted_at <= $1
            ORDER BY deleted_at LIMIT $3)
        UNION ALL (SELECT kind, id FROM $$.credentials
            WHERE expires_at IS NOT NULL AND status <> 'deleted' AND expires_at <= $2 ORDER BY expires_at LIMIT $3)";
    /// Locks those of these that are still over, with their uses, in the order in which a commit and
    /// the recording of uses lock them; what somebody else has locked is left for the next time.
    hold_over = "
        WITH used AS (
            SELECT u.kind, u.id FROM unnest($3::text[], $4::text[]) AS n (kind, id)
                JOIN $$.uses u ON u.kind = n.kind AND u.id = n.id
            ORDER BY u.kind, u.id FOR UPDATE OF u
        )
        SELECT c.kind, c.id FROM unnest($3::text[], $4::text[]) AS n (kind, id)
            JOIN $$.credentials c ON c.kind = n.kind AND c.id = n.id
        WHERE (SELECT count(*) FROM used) >= 0 AND CASE c.status WHEN 'deleted' THEN c.deleted_at <= $1
            ELSE c.expires_at <= $2 END
        ORDER BY c.kind, c.id FOR UPDATE OF c SKIP LOCKED";
    /// Turns these locked credentials into tombstones, with their uses. It sees the uses that were
    /// begun before the credentials were locked; where somebody else has locked one, the credential
    /// is left for the next time.
    bury = "
        WITH used AS (
            SELECT u.kind, u.id FROM unnest($1::text[], $2::text[]) AS n (kind, id)
                JOIN $$.uses u ON u.kind = n.kind AND u.id = n.id
            FOR UPDATE OF u SKIP LOCKED
        ), over AS (
            SELECT n.kind, n.id FROM unnest($1::text[], $2::text[]) AS n (kind, id)
            WHERE EXISTS (SELECT FROM used u WHERE u.kind = n.kind AND u.id = n.id)
                OR NOT EXISTS (SELECT FROM $$.uses u WHERE u.kind = n.kind AND u.id = n.id)
        ), kept AS (
            INSERT INTO $$.tombstones (kind, id, digest)
            SELECT c.kind, c.id, CASE c.kind WHEN 'pat' THEN c.digest END
            FROM over JOIN $$.credentials c ON c.kind = over.kind AND c.id = over.id
            ON CONFLICT DO NOTHING
        ), unused AS (
            DELETE FROM $$.uses u USING over WHERE u.kind = over.kind AND u.id = over.id
        )
        DELETE FROM $$.credentials c USING over WHERE c.kind = over.kind AND c.id = over.id
        RETURNING c.kind, c.id, c.status = 'deleted' AS deleted";
    forget_keys = "
        WITH held AS (
            SELECT kind, id FROM $$.credentials WHERE idempotency_key IS NOT NULL AND created_at <= $1
            ORDER BY created_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE $$.credentials c SET idempotency_key = NULL, request_hash = NULL FROM held
        WHERE c.kind = held.kind AND c.id = held.id";
    sweep_events = "
        WITH held AS (
            SELECT number FROM $$.events WHERE at <= $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM $$.events e USING held WHERE e.number = held.number";
    /// Removes the uses at or before $3 among the first $4 after the place $1 and $2; returns how many
    /// that were, and the last place if there may be more.
    sweep_uses = "
        WITH part AS (
            SELECT kind, id, at FROM $$.uses WHERE (kind, id) > ($1, $2) ORDER BY kind, id LIMIT $4
        ), held AS (
            SELECT u.kind, u.id FROM part JOIN $$.uses u ON u.kind = part.kind AND u.id = part.id
            WHERE part.at <= $3 AND u.at <= $3 ORDER BY u.kind, u.id FOR UPDATE OF u SKIP LOCKED
        ), removed AS (
            DELETE FROM $$.uses u USING held WHERE u.kind = held.kind AND u.id = held.id RETURNING 1
        )
        SELECT (SELECT count(*) FROM removed) AS removed, last.kind, last.id
        FROM (SELECT 1) AS one LEFT JOIN LATERAL (
            SELECT kind, id FROM part WHERE (SELECT count(*) FROM part) = $4 ORDER BY kind DESC, id DESC LIMIT 1
        ) AS last ON true";

    /// Removes rows of the log at or before $1, or the year 1, at most $2 of them; a trigger counts it as a prune.
    sweep_changes = "
        DELETE FROM $$.changes WHERE seq IN (
            SELECT seq FROM $$.changes
            WHERE at <= to_timestamp(greatest($1::bigint, -62135596800000) / 1000.0) ORDER BY seq LIMIT $2
        )";
    now = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";

    /// Removes the last uses of a user's tokens, locked in the order in which uses are recorded.
    erase_uses = "
        WITH held AS (
            SELECT u.kind, u.id FROM $$.uses u JOIN $$.credentials c ON c.kind = u.kind AND c.id = u.id
            WHERE c.user_id = $1 ORDER BY u.kind, u.id FOR UPDATE OF u
        )
        DELETE FROM $$.uses u USING held WHERE u.kind = held.kind AND u.id = held.id";
    /// Keeps other transactions from referring to the user.
    lock_user = "SELECT 1 FROM $$.users WHERE id = $1 FOR UPDATE";
    erase_turn = "DELETE FROM $$.owner_turns WHERE kind = 'pat' AND id = $1";
    erase_tokens = "
        WITH held AS (SELECT id FROM $$.credentials WHERE user_id = $1 ORDER BY id FOR UPDATE)
        DELETE FROM $$.credentials c USING held WHERE c.kind = 'pat' AND c.id = held.id";
    /// Removes the user, and the memberships with them.
    erase_user = "DELETE FROM $$.users WHERE id = $1";
    /// Returns a row if there are more than $2 events of a user $1, or of what they did to others, or
    /// credentials that they created.
    has_long_trail = "
        SELECT 1 WHERE EXISTS (SELECT FROM $$.events WHERE user_id = $1 ORDER BY number OFFSET $2)
            OR EXISTS (SELECT FROM $$.events WHERE actor_user_id = $1 ORDER BY number OFFSET $2)
            OR EXISTS (SELECT FROM $$.credentials WHERE created_by_user_id = $1 OFFSET $2)";
    /// Replaces the name $1 of a user by $2 in their events and in those that they caused; at most
    /// $3 of each.
    erase_owned_events = "
        UPDATE $$.events SET user_id = $2, origin = NULL, description = NULL, metadata = NULL,
            allowed_networks = NULL, environment = NULL,
            actor_user_id = CASE WHEN actor_user_id = $1 THEN $2 ELSE actor_user_id END
        WHERE number IN (SELECT number FROM $$.events WHERE user_id = $1 ORDER BY number LIMIT $3)";
    erase_caused_events = "
        UPDATE $$.events SET actor_user_id = $2, origin = NULL
        WHERE number IN (SELECT number FROM $$.events WHERE actor_user_id = $1 ORDER BY number LIMIT $3)";
    /// Replaces the name $1 of a user by $2 in at most $3 credentials that they created.
    erase_creations = "
        WITH held AS (
            SELECT kind, id FROM $$.credentials WHERE created_by_user_id = $1
            ORDER BY kind, id LIMIT $3 FOR NO KEY UPDATE
        )
        UPDATE $$.credentials c SET created_by_user_id = $2
        FROM held WHERE c.kind = held.kind AND c.id = held.id";
    /// Returns a row if anything is left of the user $1.
    has_traces = "
        SELECT WHERE EXISTS (SELECT FROM $$.users WHERE id = $1)
            OR EXISTS (SELECT FROM $$.credentials WHERE user_id = $1)
            OR EXISTS (SELECT FROM $$.credentials WHERE created_by_user_id = $1)
            OR EXISTS (SELECT FROM $$.memberships WHERE user_id = $1)
            OR EXISTS (SELECT FROM $$.events WHERE user_id = $1)
            OR EXISTS (SELECT FROM $$.events WHERE actor_user_id = $1)";

    version = "SELECT max(version) FROM $$._migrations WHERE success";
    /// Returns whether a version that knows the migrations up to $1 can use the schema with those
    /// after it.
    is_compatible = "
        SELECT NOT EXISTS (
            SELECT FROM $$._migrations m LEFT JOIN $$.compatibility c ON c.migration = m.version
            WHERE m.version > $1 AND (c.oldest IS NULL OR c.oldest > $1)
        )";
    assumptions = include_str!("assumptions.sql");
    /// Returns how many rows the horizon has, and whether the log contains transactions that this
    /// cluster has not reached.
    log_facts = "
        SELECT count(*), coalesce(bool_or(pruned_through >= pg_snapshot_xmax(pg_current_snapshot())), false)
            OR EXISTS (SELECT FROM $$.changes WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))
        FROM $$.horizon";
    empty_log = "TRUNCATE $$.changes";
    /// Removes rows older than $1 seconds, at most $2 of them; a trigger counts it as a prune.
    prune = "
        DELETE FROM $$.changes WHERE seq IN (
            SELECT seq FROM $$.changes WHERE at < clock_timestamp() - make_interval(secs => $1::float8)
            ORDER BY seq LIMIT $2
        )";
    /// Returns the end of the log.
    log_end = "SELECT pg_current_snapshot()::text, prunes FROM $$.horizon";
    /// Returns what the snapshot $1 did not see, at most $3 rows, with the snapshot that this
    /// statement itself reads with. The third column is whether rows were removed since there
    /// were $2 prunes that $1 may not have seen. It has seen those of the transactions before it,
    /// and a transaction that was running then can only have lost rows if it has ended. Rows of
    /// transactions to come were restored from a dump of another cluster.
    log_since = "
        SELECT pg_current_snapshot()::text, h.prunes,
            h.prunes <> $2 AND (h.pruned_through >= pg_snapshot_xmax($1::text::pg_snapshot) OR EXISTS (
                SELECT FROM pg_snapshot_xip($1::text::pg_snapshot) AS x
                WHERE x <= h.pruned_through AND pg_visible_in_snapshot(x, pg_current_snapshot())
            )),
            c.seq, c.subject, c.kind, c.id,
            CASE WHEN isfinite(c.at) THEN extract(epoch FROM clock_timestamp() - c.at)::float8 END
        FROM $$.horizon h LEFT JOIN LATERAL (
            SELECT * FROM $$.changes
            WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot)
                AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
                AND xid < pg_snapshot_xmax(pg_current_snapshot())
            ORDER BY seq LIMIT $3
        ) c ON true
        ORDER BY c.seq";
}
