-- Who created a credential, in columns like those of the actor of an event. NULL in rows that were
-- there before.
ALTER TABLE tower_api_key_credentials ADD COLUMN created_by_kind TEXT;
ALTER TABLE tower_api_key_credentials ADD COLUMN created_by_id TEXT;
ALTER TABLE tower_api_key_credentials ADD COLUMN created_by_user_id TEXT;
-- For the removal of a user, whose name is replaced here.
CREATE INDEX tower_api_key_credentials_by_creator ON tower_api_key_credentials (created_by_user_id)
    WHERE created_by_user_id IS NOT NULL;

-- An older program would remove a user and leave their name here, so no row of
-- `tower_api_key_compatibility` lets it open the file.
