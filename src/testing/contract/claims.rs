//! The list of claims, and the macro that makes a test of each.

/// Makes a test of each claim about stores, so that a broken one names itself: the test
/// `isolation::another_owners_credentials_are_unknown_and_untouched` calls the function that you
/// name with that text.
///
/// Pass the text to [`Contract::run_claim`](crate::testing::contract::Contract::run_claim). Put the
/// macro into a module for each store: it creates a module for each subject. See
/// [`testing::contract`](crate::testing::contract) for an example.
#[macro_export]
macro_rules! contract_tests {
    ($check:ident) => {
        $crate::__contract_claims! { [$crate::__contract_tests] [$check] }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __contract_tests {
    ([$check:ident] $($room:ident {
        $($group:ident $claim:ident $([$($needs:ident)+])?,)+
    })+) => {$(
        mod $room {$(
            #[test]
            fn $claim() {
                super::$check(concat!(stringify!($room), "::", stringify!($claim)));
            }
        )+}
    )+};
}

/// Calls a macro with what it is given and each claim: the module in which its function is, the
/// group that it is run with, and the features without which it does not apply.
#[doc(hidden)]
#[macro_export]
macro_rules! __contract_claims {
    ([$($then:tt)+] $($given:tt)*) => { $($then)+! { $($given)*
        records {
            store every_valid_id_can_be_stored,
        }
        lookups {
            reading unknown_credentials_are_not_found,
            reading keys_are_returned_as_stored,
            reading scopes_outside_the_catalogue_grant_nothing,
            reading key_ids_have_no_aliases,
            store a_token_has_its_owners_role_in_the_named_organization
                [PersonalTokens Memberships],
            store organization_ids_have_no_aliases [PersonalTokens Memberships],
            store user_ids_have_no_aliases [Directory PersonalTokens Memberships UserDisabling],
            store credentials_stored_as_inactive_stay_inactive,
        }
        changes {
            store a_deleted_credential_is_inactive_from_the_next_lookup,
            store a_disabled_users_tokens_are_inactive_until_the_user_is_enabled
                [PersonalTokens UserDisabling],
            store membership_changes_apply_from_the_next_lookup [PersonalTokens Memberships],
            store memberships_are_independent [PersonalTokens Memberships],
            store deleting_an_organization_ends_its_keys_and_memberships [OrganizationDeletion],
        }
        roles {
            store a_replaced_catalogue_applies_from_the_next_lookup,
            store a_replaced_catalogue_decides_what_stored_scopes_grant,
            store a_role_that_widens_does_not_widen_a_restricted_token
                [PersonalTokens Memberships TokenRestrictions],
            store a_role_that_the_catalogue_lacks_grants_nothing,
        }
        refusals {
            store an_id_is_never_reused,
            store a_token_digest_is_never_reused [PersonalTokens],
            store a_key_and_a_token_may_have_the_same_id [PersonalTokens],
            store refused_credentials_give_the_reason_and_change_nothing,
            store unusable_credential_ids_are_refused,
        }
        directory {
            store owner_ids_are_never_reused [Directory PersonalTokens OrganizationDeletion],
            store refused_directory_changes_give_the_reason_and_change_nothing
                [Directory Memberships OrganizationDeletion UserDisabling],
            store unusable_directory_ids_are_refused
                [Directory Memberships OrganizationDeletion UserDisabling],
            store the_longest_ids_are_usable [Directory PersonalTokens Memberships],
        }
        races {
            store concurrent_inserts_of_one_id_have_one_winner,
            store concurrent_lookups_never_see_a_partial_record [PersonalTokens Memberships],
            store a_credential_deleted_during_lookups_stays_inactive,
            store no_lookup_after_a_replacement_uses_the_old_catalogue [PersonalTokens Memberships],
        }
        unsupported {
            store a_store_refuses_what_it_does_not_support,
        }
        descendants {
            tree an_organization_descends_from_its_ancestors_only [Directory],
            tree a_deleted_organization_cuts_off_its_descendants [Directory OrganizationDeletion],
        }
        issuing {
            managed issued_credentials_are_accepted_and_match_the_request,
            managed a_credential_shows_who_created_it [Creator],
            managed an_actor_cannot_grant_more_than_it_holds,
            managed a_user_cannot_grant_more_than_their_role [Memberships],
            managed invalid_requests_give_the_reason_and_change_nothing,
            managed a_lifetime_beyond_the_maximum_is_refused,
            managed unknown_owners_get_no_credentials,
        }
        restrictions {
            managed a_restricted_token_has_what_its_owner_and_its_lists_allow
                [PersonalTokens Memberships TokenRestrictions],
            managed restrictions_are_listed_and_survive_rotation
                [PersonalTokens TokenRestrictions],
            managed a_restricted_token_issues_only_what_it_may_do
                [PersonalTokens Memberships TokenRestrictions],
            managed a_restricted_token_renews_only_what_it_may_do
                [PersonalTokens Memberships TokenRestrictions],
            managed a_token_without_a_management_scope_manages_no_tokens
                [PersonalTokens TokenRestrictions],
            managed invalid_restrictions_give_the_reason_and_change_nothing
                [PersonalTokens TokenRestrictions],
        }
        attributes {
            managed attributes_are_returned_as_they_were_set [Attributes],
            managed an_edit_changes_what_it_names_all_at_once [Attributes],
            managed invalid_attributes_give_the_reason_and_change_nothing [Attributes],
        }
        conditions {
            managed nothing_is_granted_that_is_accepted_where_its_creator_is_not [Attributes],
            managed conditions_are_widened_only_by_who_could_grant_the_credential [Attributes],
        }
        idempotency {
            managed a_repeated_request_returns_the_first_credential [Idempotency],
            managed a_repeated_request_never_returns_an_inactive_credential [Idempotency],
            managed a_repeated_rotation_returns_the_same_successor [Idempotency Rotation],
            managed a_repeated_request_during_an_overlap_returns_the_old_credential
                [Idempotency Rotation],
            managed concurrent_requests_with_one_idempotency_key_issue_once [Idempotency],
            managed a_revoked_caller_cannot_replay_its_request [Idempotency],
            managed a_key_that_expired_or_lost_a_scope_cannot_replay_its_request [Idempotency],
            managed a_caller_revoked_while_it_loses_a_race_gets_no_replay [Idempotency],
        }
        limits {
            managed concurrent_requests_respect_the_limit,
            managed the_limit_counts_usable_credentials [Rotation],
        }
        imports {
            managed imported_digests_are_accepted_unchanged,
            managed a_salted_import_is_accepted_with_its_secret_or_refused,
            managed invalid_imports_give_the_reason_and_change_nothing,
        }
        inputs {
            managed unreadable_names_are_refused,
            managed expiries_in_the_wrong_unit_are_refused,
            managed actors_with_unusable_ids_are_refused,
            managed extreme_clocks_do_not_panic [Rotation],
            managed audit_texts_are_stored_without_invisible_characters [AuditTrail],
        }
        listing {
            managed pages_list_each_credential_once_newest_first,
            managed filters_match_their_definition,
            managed a_cursor_works_only_for_its_list,
        }
        lifecycle {
            managed renaming_changes_only_the_name,
            managed a_disabled_credential_is_refused_until_it_is_enabled,
            managed enabling_does_not_restore_a_credential_whose_owner_is_gone,
            managed a_commit_applies_only_to_what_was_read,
            managed a_commit_refuses_unusable_ids,
        }
        endings {
            managed a_deleted_credential_is_refused_and_never_changes,
            managed only_a_bearer_of_the_whole_token_can_revoke_it,
            managed revoke_all_ends_every_credential_of_one_owner,
        }
        rotation {
            managed rotation_without_overlap_ends_the_old_credential_at_once [Rotation],
            managed rotation_with_overlap_ends_the_old_credential_on_time [Rotation],
            managed a_rotation_chain_has_at_most_two_active_credentials [Rotation],
            managed a_disabled_credential_does_not_return_after_two_rotations [Rotation],
            managed enabling_cannot_outlive_the_actor,
            managed rotation_follows_the_rules_of_issuing [Rotation],
        }
        authority {
            managed permitted_changes_are_made,
            managed an_actor_that_lost_its_rights_changes_nothing,
            managed an_expired_credential_changes_nothing,
            managed an_actor_that_expires_before_the_commit_changes_nothing,
        }
        storms {
            managed a_bearer_cannot_prevent_the_end_of_its_credential,
            managed revoke_all_ends_what_is_issued_meanwhile,
        }
        expiry {
            managed what_expires_soon_is_reported_once_for_each_threshold [ExpiryWatch AuditTrail],
            managed what_is_not_accepted_is_not_reported [ExpiryWatch AuditTrail],
            managed the_end_of_an_overlap_is_reported_once [ExpiryWatch AuditTrail Rotation],
            managed expiry_events_are_an_outbox [ExpiryWatch AuditTrail],
        }
        unused {
            managed unused_credentials_expire [UnusedCredentials LastUse],
        }
        retention {
            managed a_removed_credential_is_unknown [Retention],
            managed the_id_of_a_removed_credential_stays_taken [Retention],
            managed a_removed_token_stays_taken [Retention PersonalTokens],
            managed only_what_is_old_enough_is_removed [Retention],
            managed what_is_removed_is_not_accepted_by_a_clock_that_is_behind [Retention],
            managed a_forgotten_request_issues_another_credential [Retention Idempotency],
            managed old_events_and_uses_are_removed [Retention AuditTrail LastUse],
        }
        erasure {
            managed a_deleted_user_leaves_only_a_pseudonymous_audit_trail
                [PersonalTokens Memberships UserErasure AuditTrail LastUse],
            managed the_id_of_a_deleted_user_owns_nothing [PersonalTokens UserErasure],
        }
        isolation {
            managed another_owners_credentials_are_unknown_and_untouched,
        }
        audit {
            managed each_change_records_who_made_it_and_from_where [AuditTrail],
            managed audit_events_are_paged [AuditTrail],
        }
        uses {
            managed uses_are_recorded_as_far_apart_as_their_granularity [LastUse],
            managed each_later_use_of_a_rotated_credential_is_recorded [LastUse Rotation],
            managed the_recorder_passes_its_granularity_on [LastUse],
            managed the_last_use_has_its_own_origin [LastUse],
            managed a_use_creates_no_credential [LastUse],
            managed a_recorded_use_is_never_in_the_future [LastUse Rotation AuditTrail],
            managed the_first_use_after_a_rotation_is_an_event [LastUse Rotation AuditTrail],
        }
        overlap {
            managed uses_in_an_overlap_are_reported_at_its_half_and_nine_tenths
                [LastUse Rotation AuditTrail],
        }
    } };
}
