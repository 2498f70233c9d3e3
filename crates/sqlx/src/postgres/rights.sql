-- Run these as the owner of the schema, after migrate(), and again after a migration that adds a table.

-- A service that verifies, follows the log, manages credentials and prunes the log.
GRANT USAGE ON SCHEMA tower_api_key TO api_key_service;
GRANT SELECT ON ALL TABLES IN SCHEMA tower_api_key TO api_key_service;
GRANT INSERT, UPDATE ON tower_api_key.organizations, tower_api_key.users, tower_api_key.memberships,
    tower_api_key.credentials, tower_api_key.uses, tower_api_key.owner_turns, tower_api_key.expiry_watch
    TO api_key_service;
GRANT DELETE ON tower_api_key.memberships, tower_api_key.changes TO api_key_service;
GRANT INSERT ON tower_api_key.events TO api_key_service;

-- Only where users are removed with delete_user(), which alters the audit trail.
GRANT UPDATE ON tower_api_key.events TO api_key_eraser;
GRANT DELETE ON tower_api_key.users, tower_api_key.credentials, tower_api_key.uses, tower_api_key.owner_turns
    TO api_key_eraser;

-- Only where old rows are removed with run_retention() or sweep(), beside the rights of a service.
GRANT DELETE ON tower_api_key.credentials, tower_api_key.uses, tower_api_key.events TO api_key_sweeper;
GRANT UPDATE (number) ON tower_api_key.events TO api_key_sweeper; -- to lock what it removes
GRANT INSERT ON tower_api_key.tombstones TO api_key_sweeper;

-- A service that verifies and follows the log.
GRANT USAGE ON SCHEMA tower_api_key TO api_key_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA tower_api_key TO api_key_reader;
