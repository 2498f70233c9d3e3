-- The first use of each credential, on which it depends how far apart its recorded uses are; and where
-- the last one came from, for services that keep it.
--
-- In rows from before, and in those that an older program inserts, `first_at` is NULL, and the last
-- use counts as the first. Nothing is rewritten, so the migration takes no longer with many rows.
ALTER TABLE uses
    ADD COLUMN first_at bigint,
    ADD COLUMN last_address text COLLATE "C",
    ADD COLUMN last_user_agent text COLLATE "C";

-- Older programs record uses as before, a minute apart, and leave the new columns as they are.
INSERT INTO compatibility VALUES (4, 3);
