-- The first use of each credential, on which it depends how far apart its recorded uses are; and where
-- the last one came from, for services that keep it.
--
-- In rows from before, and in those that an older program inserts, `first_at` is NULL, and the last
-- use counts as the first.
ALTER TABLE tower_api_key_uses ADD COLUMN first_at INTEGER;
ALTER TABLE tower_api_key_uses ADD COLUMN last_address TEXT;
ALTER TABLE tower_api_key_uses ADD COLUMN last_user_agent TEXT;

-- Older programs record uses as before, a minute apart, and leave the new columns as they are.
INSERT INTO tower_api_key_compatibility VALUES (4, 3);
