-- Restricted tokens: lists of scopes and of organizations of their own.
--
-- NULL does not restrict, and an empty array allows nothing. What the token may do is what its
-- user's role allows and its lists allow. Older programs do not know the lists and would accept the
-- token for more, so no row of `compatibility` lets them use the schema.
ALTER TABLE credentials
    ADD COLUMN own_scopes text[] COLLATE "C",
    ADD COLUMN own_organizations text[] COLLATE "C",
    ADD CONSTRAINT own_lists_are_of_tokens
        CHECK (kind = 'pat' OR (own_scopes IS NULL AND own_organizations IS NULL)),
    -- As `scopes_are_scopes`.
    ADD CONSTRAINT own_scopes_are_scopes CHECK (status <> 'active' OR CASE
        WHEN own_scopes IS NULL OR cardinality(own_scopes) = 0 THEN true
        WHEN array_ndims(own_scopes) <> 1 THEN false
        ELSE array_position(own_scopes, NULL) IS NULL AND array_position(own_scopes, '') IS NULL
            AND array_to_string(own_scopes, '') ~ '^[!#-[\]-~]*$'
    END),
    ADD CONSTRAINT own_organizations_are_ids CHECK (status <> 'active' OR CASE
        WHEN own_organizations IS NULL OR cardinality(own_organizations) = 0 THEN true
        WHEN array_ndims(own_organizations) <> 1 THEN false
        ELSE array_position(own_organizations, NULL) IS NULL
    END);
