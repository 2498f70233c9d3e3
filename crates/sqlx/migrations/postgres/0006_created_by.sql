-- Who created a credential, in columns like those of the actor of an event. NULL in rows that older
-- programs insert, or that were there before.
ALTER TABLE credentials
    ADD COLUMN created_by_kind text COLLATE "C",
    ADD COLUMN created_by_id text COLLATE "C",
    ADD COLUMN created_by_user_id text COLLATE "C";
-- For the removal of a user, whose name is replaced here.
CREATE INDEX credentials_by_creator ON credentials (created_by_user_id, kind, id)
    WHERE created_by_user_id IS NOT NULL;

-- An older program would remove a user and leave their name here, so no row of `compatibility` lets it
-- use the schema.
