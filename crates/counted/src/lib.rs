//! Counts what `tower-api-key` costs: see the bench `counted`.
