-- Attributes: a description, metadata, and conditions under which a credential is accepted.
--
-- `metadata` is a JSON object of texts. `allowed_networks` has networks in CIDR notation with a space
-- between them, in the form and the order in which the store writes them; NULL allows every address,
-- and '' allows none. Older programs do not know the conditions and would accept the credential
-- everywhere, so no row of `tower_api_key_compatibility` lets them open the file.
ALTER TABLE tower_api_key_credentials ADD COLUMN description TEXT;
ALTER TABLE tower_api_key_credentials ADD COLUMN metadata TEXT
    CHECK (metadata IS NULL OR (json_valid(metadata) AND json_type(metadata) = 'object'));
ALTER TABLE tower_api_key_credentials ADD COLUMN allowed_networks TEXT
    CHECK (allowed_networks IS NULL OR allowed_networks NOT GLOB '*[^0-9a-f.:/ ]*');
ALTER TABLE tower_api_key_credentials ADD COLUMN environment TEXT
    CHECK (environment IS NULL
        OR (length(environment) BETWEEN 1 AND 64 AND environment NOT GLOB '*[^A-Za-z0-9._-]*'));

-- What they were set to.
ALTER TABLE tower_api_key_events ADD COLUMN description TEXT;
ALTER TABLE tower_api_key_events ADD COLUMN metadata TEXT;
ALTER TABLE tower_api_key_events ADD COLUMN allowed_networks TEXT;
ALTER TABLE tower_api_key_events ADD COLUMN environment TEXT;

-- The store could not read metadata with a value that is not text or with a key twice, or text that
-- is not UTF-8. See
-- `tower_api_key_unchecked` and the triggers there.
CREATE TRIGGER tower_api_key_credential_inserted_attributes_sound
BEFORE INSERT ON tower_api_key_credentials
WHEN EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.metadata), NEW.metadata, '{}'))
        WHERE type <> 'text'
    )
    OR EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.metadata), NEW.metadata, '{}'))
        GROUP BY key HAVING count(*) > 1
    )
    OR EXISTS (
        SELECT 1 FROM
            (SELECT coalesce(NEW.description, '') || ' ' || coalesce(NEW.metadata, '') AS text) t,
            json_each('[' || rtrim(replace(hex(zeroblob(length(t.text))), '00', '0,'), ',') || ']')
                AS n
        WHERE t.text GLOB '*[^ -~]*'
            AND substr(t.text, n.key + 1, 1) <> char(unicode(substr(t.text, n.key + 1, 1)))
            AND CAST(substr(t.text, n.key + 1, 1) AS BLOB) NOT IN (x'EFBFBE', x'EFBFBF')
    )
BEGIN
    INSERT OR IGNORE INTO tower_api_key_unchecked VALUES (1);
    SELECT RAISE(ABORT, 'not what the attributes of a credential may consist of')
        WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_unchecked);
    DELETE FROM tower_api_key_unchecked;
END;

CREATE TRIGGER tower_api_key_credential_updated_attributes_sound
BEFORE UPDATE OF description, metadata ON tower_api_key_credentials
WHEN (NEW.metadata IS NOT OLD.metadata AND EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.metadata), NEW.metadata, '{}'))
        WHERE type <> 'text'
    ))
    OR NEW.metadata IS NOT OLD.metadata AND EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(NEW.metadata), NEW.metadata, '{}'))
        GROUP BY key HAVING count(*) > 1
    )
    OR EXISTS (
        SELECT 1 FROM
            (SELECT iif(NEW.description IS OLD.description, '', coalesce(NEW.description, ''))
                || ' ' || iif(NEW.metadata IS OLD.metadata, '', coalesce(NEW.metadata, ''))
                AS text) t,
            json_each('[' || rtrim(replace(hex(zeroblob(length(t.text))), '00', '0,'), ',') || ']')
                AS n
        WHERE t.text GLOB '*[^ -~]*'
            AND substr(t.text, n.key + 1, 1) <> char(unicode(substr(t.text, n.key + 1, 1)))
            AND CAST(substr(t.text, n.key + 1, 1) AS BLOB) NOT IN (x'EFBFBE', x'EFBFBF')
    )
BEGIN
    INSERT OR IGNORE INTO tower_api_key_unchecked VALUES (1);
    SELECT RAISE(ABORT, 'not what the attributes of a credential may consist of')
        WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_unchecked);
    DELETE FROM tower_api_key_unchecked;
END;
