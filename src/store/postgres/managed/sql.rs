//! The statements of management. Those about one owner are written once and made twice: for an organization and for a
//! person, each of which has its index.

use super::super::sql::{Schema, Statement};
use crate::manage::Owner;

/// A statement about the credentials of one owner.
pub(in super::super) struct PerOwner {
    organization: Statement,
    user: Statement,
}

impl PerOwner {
    fn of(schema: &Schema, text: &str) -> Self {
        let with = |column| schema.statement(&text.replace("$owner", column));
        Self { organization: with("organization_id"), user: with("user_id") }
    }

    pub(super) fn for_owner(&self, owner: &Owner) -> &Statement {
        match owner {
            Owner::Organization(_) => &self.organization,
            Owner::User(_) => &self.user,
        }
    }
}

/// `$1` is the kind, `$2` the owner.
const SELECT: &str = "
    SELECT c.id, c.name, c.role, c.scopes, c.standing, c.created_at, c.expires_at, u.at AS used_at,
        c.rotated_from, c.rotated_to, c.rotated_at, c.request
    FROM $$.credentials c LEFT JOIN $$.uses u ON u.kind = c.kind AND u.id = c.id
    WHERE c.kind = $1 AND c.$owner = $2 ";

const LIST: &str = "
    AND CASE $3::text
        WHEN 'active' THEN c.standing = 'active' AND (c.expires_at IS NULL OR c.expires_at > $4)
        WHEN 'expired' THEN c.standing = 'active' AND c.expires_at <= $4
        WHEN 'disabled' THEN c.standing = 'disabled'
        WHEN 'deleted' THEN c.standing = 'deleted'
        ELSE c.standing <> 'deleted'
    END
    AND ($5::bigint IS NULL OR c.expires_at < $5)
    AND ($6::bigint IS NULL OR coalesce(u.at, c.created_at) < $6)
    AND ($7::bigint IS NULL OR (c.created_at, c.id) < ($7, $8))
    ORDER BY c.created_at DESC, c.id DESC LIMIT $9";

const COUNT: &str = "
    SELECT count(*) FROM $$.credentials
    WHERE kind = $1 AND $owner = $2
        AND standing <> 'deleted' AND rotated_to IS NULL AND (expires_at IS NULL OR expires_at > $3)";

/// Set if it still is as it was read, whoever writes meanwhile.
const ALTER: &str = "
    UPDATE $$.credentials SET name = $4, standing = $5, expires_at = $6, rotated_to = $7, rotated_at = $8
    WHERE kind = $1 AND $owner = $2 AND id = $3 AND name = $9 AND standing = $10
        AND expires_at IS NOT DISTINCT FROM $11 AND rotated_to IS NOT DISTINCT FROM $12";

const EVENTS: &str = "
    SELECT number, at, action, credential_id, related_id, by_sort, by_id, by_user, origin FROM $$.events
    WHERE $owner = $1 AND ($2::bigint IS NULL OR number < $2) ORDER BY number DESC LIMIT $3";

const TELL: &str = "
    INSERT INTO $$.events
        (at, action, organization_id, user_id, credential_id, related_id, by_sort, by_id, by_user, origin)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING number";

/// Whoever inserts under a cap does so one after the other.
const LOCK_ORGANIZATION: &str = "SELECT 1 FROM $$.organizations WHERE id = $1 AND NOT deleted FOR NO KEY UPDATE";
const LOCK_USER: &str = "SELECT 1 FROM $$.users WHERE id = $1 FOR NO KEY UPDATE";

const BY_DIGEST: &str = "SELECT 1 FROM $$.credentials WHERE kind = 'pat' AND digest = ANY($1)";

/// Holds the row until its digest is made anew.
const DIGEST: &str = "SELECT digest, pepper FROM $$.credentials WHERE kind = $1 AND id = $2 FOR NO KEY UPDATE";

const REHASH: &str = "UPDATE $$.credentials SET digest = $3, pepper = $4 WHERE kind = $1 AND id = $2";

/// Nodes record one after the other, so that each sees what the others have recorded.
const RECORD_ALONE: &str = "SELECT pg_advisory_xact_lock('$$.uses'::regclass::oid::bigint)";

const USED: &str = "
    SELECT w.kind, w.id, w.at, c.organization_id, c.user_id, c.rotated_to, c.rotated_at, u.at AS recorded
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS w (kind, id, at)
    JOIN $$.credentials c ON c.kind = w.kind AND c.id = w.id
    LEFT JOIN $$.uses u ON u.kind = c.kind AND u.id = c.id";

const USE: &str = "
    INSERT INTO $$.uses (kind, id, at) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
    ON CONFLICT (kind, id) DO UPDATE SET at = excluded.at";

/// The statements of management.
pub(in super::super) struct Managed {
    pub(super) by_id: PerOwner,
    pub(super) by_idempotency_key: PerOwner,
    pub(super) list: PerOwner,
    pub(super) count: PerOwner,
    pub(super) alter: PerOwner,
    pub(super) events: PerOwner,
    pub(super) tell: Statement,
    pub(super) lock_organization: Statement,
    pub(super) lock_user: Statement,
    pub(super) by_digest: Statement,
    pub(super) digest: Statement,
    pub(super) rehash: Statement,
    pub(super) record_alone: Statement,
    pub(super) used: Statement,
    pub(super) set_used: Statement,
}

impl Managed {
    pub(in super::super) fn of(schema: &Schema) -> Self {
        let per_owner = |text: &str| PerOwner::of(schema, text);
        Self {
            by_id: per_owner(&format!("{SELECT} AND c.id = $3")),
            by_idempotency_key: per_owner(&format!("{SELECT} AND c.idempotency_key = $3")),
            list: per_owner(&format!("{SELECT} {LIST}")),
            count: per_owner(COUNT),
            alter: per_owner(ALTER),
            events: per_owner(EVENTS),
            tell: schema.statement(TELL),
            lock_organization: schema.statement(LOCK_ORGANIZATION),
            lock_user: schema.statement(LOCK_USER),
            by_digest: schema.statement(BY_DIGEST),
            digest: schema.statement(DIGEST),
            rehash: schema.statement(REHASH),
            record_alone: schema.statement(RECORD_ALONE),
            used: schema.statement(USED),
            set_used: schema.statement(USE),
        }
    }
}
