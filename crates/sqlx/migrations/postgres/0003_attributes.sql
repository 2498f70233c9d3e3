-- Attributes: a description, metadata, and conditions under which a credential is accepted.
--
-- `allowed_networks` has networks in CIDR notation with a space between them, in the form and the
-- order in which the store writes them; NULL allows every address, and '' allows none. Older programs
-- do not know the conditions and would accept the credential everywhere, so no row of
-- `compatibility` lets them use the schema.
ALTER TABLE credentials
    ADD COLUMN description text,
    ADD COLUMN metadata jsonb,
    ADD COLUMN allowed_networks text COLLATE "C",
    ADD COLUMN environment text COLLATE "C",
    ADD CONSTRAINT metadata_has_texts CHECK (status <> 'active' OR metadata IS NULL
        OR jsonb_typeof(metadata) = 'object'
            AND NOT jsonb_path_exists(metadata, 'strict $.* ? (@.type() <> "string")', '{}', true)),
    ADD CONSTRAINT allowed_networks_are_networks
        CHECK (status <> 'active' OR allowed_networks ~ '^([0-9a-f.:]+/[0-9]+( |$))*$'),
    ADD CONSTRAINT environment_is_a_name
        CHECK (status <> 'active' OR environment ~ '^[A-Za-z0-9._-]{1,64}$');

-- What they were set to.
ALTER TABLE events
    ADD COLUMN description text,
    ADD COLUMN metadata jsonb,
    ADD COLUMN allowed_networks text COLLATE "C",
    ADD COLUMN environment text COLLATE "C";
