-- Restricted tokens: lists of scopes and of organizations of their own.
--
-- Each is a JSON array of texts; NULL does not restrict, and an empty array allows nothing. What the
-- token may do is what its user's role allows and its lists allow. Older programs do not know the
-- lists and would accept the token for more, so no row of `tower_api_key_compatibility` lets them
-- open the file.
ALTER TABLE tower_api_key_credentials ADD COLUMN own_scopes TEXT CHECK (
    own_scopes IS NULL
    OR (kind = 'pat' AND json_valid(own_scopes) AND json_type(own_scopes) = 'array')
);
ALTER TABLE tower_api_key_credentials ADD COLUMN own_organizations TEXT CHECK (
    own_organizations IS NULL
    OR (kind = 'pat' AND json_valid(own_organizations) AND json_type(own_organizations) = 'array')
);

-- The store could not read what is not text. See `tower_api_key_unchecked`.
CREATE TRIGGER tower_api_key_credential_inserted_lists_sound BEFORE INSERT ON tower_api_key_credentials
WHEN EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.own_scopes), NEW.own_scopes, '[]'))
        WHERE type <> 'text'
    )
    OR EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.own_organizations), NEW.own_organizations, '[]'))
        WHERE type <> 'text'
    )
BEGIN
    INSERT OR IGNORE INTO tower_api_key_unchecked VALUES (1);
    SELECT RAISE(ABORT, 'a list of the token contains something that is not text')
        WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_unchecked);
    DELETE FROM tower_api_key_unchecked;
END;

CREATE TRIGGER tower_api_key_credential_updated_lists_sound
BEFORE UPDATE OF own_scopes, own_organizations ON tower_api_key_credentials
WHEN (NEW.own_scopes IS NOT OLD.own_scopes AND EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.own_scopes), NEW.own_scopes, '[]'))
        WHERE type <> 'text'
    ))
    OR (NEW.own_organizations IS NOT OLD.own_organizations AND EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.own_organizations), NEW.own_organizations, '[]'))
        WHERE type <> 'text'
    ))
BEGIN
    INSERT OR IGNORE INTO tower_api_key_unchecked VALUES (1);
    SELECT RAISE(ABORT, 'a list of the token contains something that is not text')
        WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_unchecked);
    DELETE FROM tower_api_key_unchecked;
END;
