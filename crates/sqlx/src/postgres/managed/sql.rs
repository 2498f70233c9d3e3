//! The statements about the credentials of one owner: the same for an organization and a user, with
//! other columns.

use crate::postgres::{
    schema::Schema,
    sql::{Statement, statements},
};
use tower_api_key::credential::Kind;

/// The state that the indexes distinguish, as the migration writes it.
macro_rules! state {
    () => {
        "CASE WHEN c.status IN ('active', 'deleted') THEN c.status ELSE 'disabled' END"
    };
}

/// The expiry of a credential; the greatest number if it does not expire.
macro_rules! expiry {
    () => {
        "coalesce(c.expires_at, 9223372036854775807)"
    };
}

/// The credentials in one state, in the order of the list.
macro_rules! by_age {
    ($state:expr) => {
        concat!("c.$owner = $1 AND ", state!(), " = ", $state)
    };
}

/// The credentials in one state, in the order of their expiry.
macro_rules! by_expiry {
    ($state:expr) => {
        concat!(
            "(",
            state!(),
            ") || ':' || c.$owner = ",
            $state,
            " || ':' || $1"
        )
    };
}

/// What is known of the credential's uses `u`. Not a join, for which the planner might read and
/// sort everything that it joins.
macro_rules! of_uses {
    ($column:literal) => {
        concat!(
            "(SELECT ",
            $column,
            " FROM $$.uses u WHERE u.kind = '$kind' AND u.id = c.id)"
        )
    };
}

/// Ends `these` credentials, locked in the order in which a commit locks them, and returns all that
/// were to be ended: the rows that a trigger keeps the update from changing, too.
macro_rules! end {
    ($these:expr) => {
        concat!(
            "WITH ending AS (
                SELECT c.id FROM $$.credentials c WHERE ",
            $these,
            " ORDER BY c.id FOR NO KEY UPDATE
            ), ended AS (
                UPDATE $$.credentials c SET status = $2, deleted_at = CASE $2 WHEN 'deleted' THEN $3 END
                FROM ending
                WHERE c.kind = '$kind' AND c.id = ending.id AND c.status NOT IN ($2, 'deleted')
            )
            SELECT id FROM ending"
        )
    };
}

/// A part of a page: `these` credentials, restricted by the rest of the query.
macro_rules! part {
    ($these:expr) => {
        concat!(
            "(SELECT c.* FROM $$.credentials c
            WHERE ",
            $these,
            " AND (c.created_at, c.id) < ($6, $7)
                AND ($8::bigint IS NULL OR coalesce(",
            of_uses!("u.at"),
            ", c.created_at) < $8)
                AND ($10::text IS NULL OR c.metadata ->> $10 = $11)
                AND ($12::text IS NULL
                    OR strpos(lower(c.name COLLATE \"C\"), lower($12 COLLATE \"C\")) > 0)
            ORDER BY c.created_at DESC, c.id DESC LIMIT $9)"
        )
    };
}

statements! {
    /// The statements about one kind of owner.
    Owned:

    /// Takes all the locks of a commit, one after the other: $1 owner, $2 and $3 the organization
    /// and the user for whom the actor acts, $4 the token that names the user instead, $5 and $6
    /// credentials to change or to rely on.
    ///
    /// What the decision relies on stays the same until the commit. Not `FOR SHARE`, which others
    /// could share without end while a revocation waits.
    lock_for_commit = "
        WITH actor AS MATERIALIZED (
            SELECT coalesce($3, (SELECT user_id FROM $$.credentials WHERE kind = 'pat' AND id = $4)) AS user_id
        )
        SELECT
            (SELECT true FROM $$.$owners WHERE id = $1 FOR KEY SHARE) AS known,
            (SELECT true FROM $$.organizations WHERE id = $2 FOR NO KEY UPDATE),
            (SELECT true FROM $$.users WHERE id = (SELECT user_id FROM actor) FOR NO KEY UPDATE),
            (SELECT true FROM $$.memberships WHERE user_id = (SELECT user_id FROM actor) AND organization_id = $2
                FOR NO KEY UPDATE),
            (SELECT true FROM $$.owner_turns WHERE kind = '$kind' AND id = $1 FOR NO KEY UPDATE) AS turn,
            ARRAY(SELECT c.id FROM unnest($5::text[], $6::text[]) AS n (kind, id)
                JOIN $$.credentials c ON c.kind = n.kind AND c.id = n.id
                ORDER BY c.kind, c.id FOR NO KEY UPDATE OF c)";
    known = "SELECT $gone AS gone FROM $$.$owners WHERE id = $1";
    /// Inserts the rows in `owner_turns` of the owners that exist: as a transaction of its own, or
    /// without other locks on credentials.
    make_turns = "
        INSERT INTO $$.owner_turns (kind, id) SELECT '$kind', id FROM $$.$owners WHERE id = ANY ($1)
        ORDER BY id ON CONFLICT DO NOTHING";
    /// Serializes the transactions of these owners, so that a cap is exact, and the numbers of an
    /// owner's events are in the order in which they become visible.
    take_turns = "
        SELECT id FROM $$.owner_turns WHERE kind = '$kind' AND id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
    /// Ends at $3 the credential $4, whatever it is otherwise, and returns it if it was to be ended.
    end_one = end!("(c.$owner = $1) IS TRUE AND c.kind = '$kind' AND c.id = $4 AND c.status NOT IN ($2, 'deleted')");
    /// Ends all of them at $3, and returns them.
    end_all = end!(concat!("c.$owner = $1 AND ", state!(), " IN ('active', 'disabled') AND c.status <> $2"));
    /// Returns a row if one of the credentials $1, which were to be ended, does not have the status
    /// $2 or is not deleted.
    is_left = "
        SELECT FROM $$.credentials c
        WHERE c.kind = '$kind' AND c.id = ANY ($1) AND c.status NOT IN ($2, 'deleted') LIMIT 1";
    /// Returns a row if the id $1, the digest $2 of a token, or the idempotency key $3 of the owner
    /// $4 is taken.
    is_taken = "
        SELECT 1 FROM $$.credentials c WHERE c.kind = '$kind' AND c.id = $1
        UNION ALL SELECT 1 FROM $$.credentials c WHERE c.kind = 'pat' AND '$kind' = 'pat' AND c.digest = $2
        UNION ALL SELECT 1 FROM $$.credentials c WHERE c.$owner = $4 AND c.idempotency_key = $3
        UNION ALL SELECT 1 FROM $$.tombstones WHERE kind = '$kind' AND id = $1
        UNION ALL SELECT 1 FROM $$.tombstones WHERE kind = 'pat' AND '$kind' = 'pat' AND digest = $2
        LIMIT 1";
    /// Returns a row if a removed credential had the id $1, or a removed token one of the digests
    /// $2. It is asked after the insertion: until its removal is committed, that waits for it.
    is_removed = "
        SELECT 1 FROM $$.tombstones WHERE kind = '$kind' AND id = $1
        UNION ALL SELECT 1 FROM $$.tombstones WHERE kind = 'pat' AND '$kind' = 'pat' AND digest = ANY ($2)
        LIMIT 1";
    credential = "
        SELECT c.id, c.name, c.role, c.scopes, c.own_scopes, c.own_organizations, c.description,
            c.metadata::text AS metadata, c.allowed_networks, c.environment, c.status, c.created_at, c.expires_at,
            c.rotated_from, c.rotated_to, c.created_by_kind, c.created_by_id, c.created_by_user_id,
            c.rotated_at, c.deleted_at, coalesce(u.first_at, u.at) AS first_used_at, u.at AS last_used_at,
            u.last_address, u.last_user_agent
        FROM $$.credentials c LEFT JOIN $$.uses u ON u.kind = c.kind AND u.id = c.id
        WHERE (c.$owner = $1) IS TRUE AND c.kind = '$kind' AND c.id = $2";
    issued_under = "
        SELECT c.id, c.name, c.role, c.scopes, c.own_scopes, c.own_organizations, c.description,
            c.metadata::text AS metadata, c.allowed_networks, c.environment, c.status, c.created_at, c.expires_at,
            c.rotated_from, c.rotated_to, c.created_by_kind, c.created_by_id, c.created_by_user_id,
            c.rotated_at, c.deleted_at, coalesce(u.first_at, u.at) AS first_used_at, u.at AS last_used_at,
            u.last_address, u.last_user_agent, c.request_hash
        FROM $$.credentials c LEFT JOIN $$.uses u ON u.kind = '$kind' AND u.id = c.id
        WHERE c.$owner = $1 AND c.idempotency_key = $2";
    /// A page of the list: $1 owner, $2 states, $3 to $4 expiry, $5 whether that leaves anything
    /// out, $6 and $7 the place to continue after, $8 unused since, $9 limit,
    /// $10 and $11 a pair of the metadata, $12 a part of the name. The collation "C" knows the
    /// letters of ASCII alone.
    ///
    /// If the filter restricts the expiry and matches few rows, they are read by their expiry and
    /// sorted. If it matches many, they are read in the order of the list, where a match is never
    /// far.
    page = concat!(
        "SELECT c.id, c.name, c.role, c.scopes, c.own_scopes, c.own_organizations, c.description,
            c.metadata::text AS metadata, c.allowed_networks, c.environment, c.status, c.created_at, c.expires_at,
            c.rotated_from, c.rotated_to, c.created_by_kind, c.created_by_id, c.created_by_user_id,
            c.rotated_at, c.deleted_at, ", of_uses!("coalesce(u.first_at, u.at)"), " AS first_used_at, ", of_uses!("u.at"), " AS last_used_at,
            ",
            of_uses!("u.last_address"), " AS last_address, ", of_uses!("u.last_user_agent"), " AS last_user_agent
        FROM unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
            SELECT count(*) AS found FROM (
                SELECT FROM $$.credentials c
                WHERE ", by_expiry!("s.state"), " AND ", expiry!(), " BETWEEN $3 AND $4
                ORDER BY ", expiry!(), " LIMIT CASE WHEN $5 THEN 500 ELSE 0 END
            ) AS counted
        ) AS few CROSS JOIN LATERAL (
            ",
            part!(concat!("$5 AND few.found < 500 AND ", by_expiry!("s.state"), " AND ", expiry!(),
                " BETWEEN $3 AND $4")),
            " UNION ALL ",
            part!(concat!("(NOT $5 OR few.found >= 500) AND ", by_age!("s.state"),
                " AND coalesce(c.expires_at BETWEEN $3 AND $4, $4 = 9223372036854775807)")),
        ") AS c
        ORDER BY c.created_at DESC, c.id DESC LIMIT $9"
    );
    events = "
        SELECT number, at, action, credential_id, related_id, actor_kind, actor_id, actor_user_id, origin,
            expires_at, description, metadata::text AS metadata, allowed_networks, environment
        FROM $$.events
        WHERE $owner = $1 AND number <= $2 ORDER BY number DESC LIMIT $3";
    /// Counts the credentials that are accepted at $2, up to $3.
    counting = concat!(
        "SELECT count(*) FROM (
            SELECT FROM $$.credentials c
            WHERE ", by_expiry!("'active'"), " AND ", expiry!(), " > $2
            ORDER BY ", expiry!(), " LIMIT $3
        ) AS counted"
    );
    /// Updates the credentials that are still as they were read, and returns for each whether it is
    /// then as it was to be. Naming the ids once more lets no plan begin with other credentials.
    alter = "
        UPDATE $$.credentials c
        SET name = a.name, status = a.status, expires_at = a.expires_at, rotated_to = a.rotated_to,
            rotated_at = a.rotated_at, deleted_at = a.deleted_at, description = a.description, metadata = a.metadata::jsonb,
            allowed_networks = a.allowed_networks, environment = a.environment
        FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[],
                $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
                $18::text[], $19::text[], $20::bigint[])
            AS a (id, old_name, old_status, old_expires_at, old_rotated_to, name, status, expires_at, rotated_to,
                rotated_at, old_description, old_metadata, old_allowed_networks, old_environment, description, metadata,
                allowed_networks, environment, deleted_at)
        WHERE (c.$owner = $1) IS TRUE AND c.kind = '$kind' AND c.id = ANY ($2) AND c.id = a.id AND c.name = a.old_name
            AND c.status = a.old_status
            AND c.expires_at IS NOT DISTINCT FROM a.old_expires_at
            AND c.rotated_to IS NOT DISTINCT FROM a.old_rotated_to
            AND c.description IS NOT DISTINCT FROM a.old_description
            AND coalesce(c.metadata, '{}') = coalesce(a.old_metadata::jsonb, '{}')
            AND c.allowed_networks IS NOT DISTINCT FROM a.old_allowed_networks
            AND c.environment IS NOT DISTINCT FROM a.old_environment
        RETURNING c.name = a.name AND c.status = a.status AND c.expires_at IS NOT DISTINCT FROM a.expires_at
            AND c.rotated_to IS NOT DISTINCT FROM a.rotated_to AND c.description IS NOT DISTINCT FROM a.description
            AND c.metadata IS NOT DISTINCT FROM a.metadata::jsonb
            AND c.allowed_networks IS NOT DISTINCT FROM a.allowed_networks
            AND c.environment IS NOT DISTINCT FROM a.environment AS made";
}

/// The statements for each kind of owner.
pub(in super::super) struct ByOwner {
    organization: Owned,
    user: Owned,
}

impl ByOwner {
    pub(in super::super) fn of(schema: &Schema) -> Self {
        let build = |kind: Kind, owners: &str, owner: &str, gone: &str| {
            Owned::of(|text| {
                let text = text.replace("$owners", owners).replace("$owner", owner);
                schema.statement(&text.replace("$kind", kind.as_str()).replace("$gone", gone))
            })
        };
        Self {
            organization: build(Kind::OrgKey, "organizations", "organization_id", "deleted"),
            user: build(Kind::PersonalToken, "users", "user_id", "false"),
        }
    }

    pub(in super::super) fn of_kind(&self, kind: Kind) -> &Owned {
        match kind {
            Kind::OrgKey => &self.organization,
            Kind::PersonalToken => &self.user,
        }
    }
}
