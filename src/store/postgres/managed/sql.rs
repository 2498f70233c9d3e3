//! The statements about the credentials of one owner: the same for an organization and a person, over other columns.

use std::fmt;

use crate::{
    credential::Kind,
    store::postgres::sql::{Schema, Statement, statements},
};

/// What a list and a question for one credential select.
macro_rules! select {
    ($more:literal, $rest:expr) => {
        concat!(
            "SELECT c.id, c.name, c.role, c.scopes, c.standing, c.created_at, c.expires_at, c.rotated_from, c.rotated_to,
                c.rotated_at, u.at AS last_used_at",
            $more,
            " FROM $$.credentials c LEFT JOIN $$.uses u ON u.kind = c.kind AND u.id = c.id
            WHERE c.$owner = $1 AND c.kind = '$kind' AND ",
            $rest
        )
    };
}

/// A page of the list, which is read along its index: $1 owner, $2 state, $3 expiring before, $4 unused since, $5 now,
/// $6 at most. As `Filter::shows` says it.
macro_rules! page {
    ($place:literal) => {
        select!(
            "",
            concat!(
                $place,
                " AND (SELECT coalesce(state = $2, state <> 'deleted') FROM (SELECT CASE
                    WHEN c.standing = 'deleted' THEN 'deleted'
                    WHEN c.standing <> 'active' THEN 'disabled'
                    WHEN c.expires_at <= $5 THEN 'expired'
                    ELSE 'active' END) AS of_it (state))
                AND ($3::bigint IS NULL OR c.expires_at < $3)
                AND ($4::bigint IS NULL OR coalesce(u.at, c.created_at) < $4)
                ORDER BY c.created_at DESC, c.id DESC LIMIT $6"
            )
        )
    };
}

statements! {
    /// The statements about one kind of owner.
    Owned:

    /// Makes the commits for these owners take turns, so that a cap is exact and the numbers of an owner's events are in the
    /// order in which they can be seen. Not `FOR UPDATE`, which would hold up those who only refer to the row.
    hold = "SELECT $gone AS gone FROM $$.$owners WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
    credential = select!("", "c.id = $2");
    issued_under = select!(", c.request", "c.idempotency_key = $2");
    first_page = page!("true");
    /// What is behind $7 and $8 in the order of the list.
    next_page = page!("(c.created_at, c.id) < ($7, $8)");
    events = "
        SELECT number, at, action, credential_id, related_id, by_sort, by_id, by_user, origin FROM $$.events
        WHERE $owner = $1 AND number <= $2 ORDER BY number DESC LIMIT $3";
    /// How many count at $2, or could; not further than $3.
    counting = "
        SELECT count(*) FROM (
            SELECT FROM $$.credentials
            WHERE $owner = $1 AND kind = '$kind' AND standing <> 'deleted' AND rotated_to IS NULL
                AND (expires_at IS NULL OR expires_at > $2)
            LIMIT $3
        ) AS counted";
    /// Changes those that are as they were read.
    alter = "
        UPDATE $$.credentials c
        SET name = a.name, standing = a.standing, expires_at = a.expires_at, rotated_to = a.rotated_to,
            rotated_at = a.rotated_at
        FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[],
                $10::text[], $11::bigint[])
            AS a (id, old_name, old_standing, old_expires_at, old_rotated_to, name, standing, expires_at, rotated_to,
                rotated_at)
        WHERE c.$owner = $1 AND c.kind = '$kind' AND c.id = a.id AND c.name = a.old_name AND c.standing = a.old_standing
            AND c.expires_at IS NOT DISTINCT FROM a.old_expires_at
            AND c.rotated_to IS NOT DISTINCT FROM a.old_rotated_to";
}

/// The statements for each kind of owner.
pub(in super::super) struct ByOwner {
    organization: Owned,
    user: Owned,
}

impl ByOwner {
    pub(in super::super) fn of(schema: &Schema) -> Self {
        let over = |kind: Kind, owners: &str, owner: &str, gone: &str| {
            Owned::of(|text| {
                let text = text.replace("$owners", owners).replace("$owner", owner);
                schema.statement(&text.replace("$kind", kind.as_str()).replace("$gone", gone))
            })
        };
        Self {
            organization: over(Kind::OrgKey, "organizations", "organization_id", "deleted"),
            user: over(Kind::PersonalToken, "users", "user_id", "false"),
        }
    }

    pub(in super::super) fn of_kind(&self, kind: Kind) -> &Owned {
        match kind {
            Kind::OrgKey => &self.organization,
            Kind::PersonalToken => &self.user,
        }
    }
}

impl fmt::Debug for ByOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByOwner(..)")
    }
}
