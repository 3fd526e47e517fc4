//! What every store must do, case by case, through the ports alone. Another store adds a line and a harness.

mod chains;
mod changes;
mod deletes;
mod documents;
mod expiry;
mod harness;
mod idempotency;
mod keys;
mod pages;
mod pooled;
mod postgres;
mod random_search;
mod search;
mod sqlite;
mod tenants;
mod writes;

/// Runs cases on a store.
macro_rules! conformance {
    ($store:ident, $harness:expr, $($file:ident: $($case:ident),+;)+) => {
        mod $store {
            $(mod $file {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let world = crate::conformance::harness::World::new(Box::new($harness)).await;
                    crate::conformance::$file::$case(&world).await;
                })+
            })+
        }
    };
}

macro_rules! all_cases {
    ($store:ident, $harness:expr) => {
        conformance! { $store, $harness,
            chains: a_new_tenant_has_its_global_node, a_scope_gives_the_nodes_from_the_top_without_a_gap,
                an_id_gives_the_whole_chain_or_nothing, expired_nodes_are_in_the_chain,
                a_context_outside_the_tree_is_its_own_chain;
            writes: a_node_is_created_with_its_missing_parents, a_parent_is_missing_where_no_path_is_ensured,
                an_existing_node_is_a_conflict, a_node_that_nobody_wrote_is_a_conflict_too,
                a_version_is_replaced_and_keeps_its_place,
                another_version_is_a_conflict_with_the_present_one,
                a_removed_context_is_a_conflict_with_nothing, nothing_is_written_on_a_conflict,
                a_known_id_is_a_conflict, keep_records_and_changes_nothing,
                two_at_once_under_a_missing_project, one_of_many_at_once_wins;
            deletes: a_leaf_is_removed, children_are_counted, a_subtree_is_removed_with_a_record_each,
                expired_children_do_not_count, another_version_is_not_removed,
                a_node_created_again_is_another;
            expiry: a_write_over_an_expired_node_removes_it_with_its_subtree,
                an_expired_ancestor_is_removed_on_the_path, an_expired_context_has_no_current_version,
                a_context_below_an_expired_one_cannot_be_written, expiry_is_at_the_instant;
            idempotency: a_known_key_replays, a_key_belongs_to_its_principal, a_failure_is_not_remembered,
                a_key_is_known_for_a_day, a_deletion_is_remembered, remembered_finds_changes_made_since,
                one_key_at_once_writes_once, the_key_comes_before_the_condition,
                only_the_addressed_context_carries_the_key;
            pages: all_contexts_by_id, children_by_key_in_byte_order, expired_ones_are_hidden,
                a_context_below_an_expired_one_is_hidden, pages_of_nothing;
            changes: newest_first_after_a_position, of_one_context, one_revision_for_a_whole_transaction,
                a_record_says_who_and_when, history_stays_after_removal, later_writes_have_greater_revisions;
            documents: values_come_back_identical, keys_come_back_identical, text_comes_back_identical,
                inheritance_comes_back_identical, times_come_back_to_the_microsecond,
                large_and_deep_documents;
            tenants: a_new_store_has_the_default_tenant, tenants_are_created_listed_and_dropped,
                an_unknown_tenant_is_not_found, tenants_are_apart, a_tenant_created_again_starts_empty,
                a_dropped_default_stays_dropped, an_unhealthy_tenant_leaves_others_working,
                everything_is_there_after_reopening, many_tenants_at_once,
                a_tenant_dropped_elsewhere_is_gone, a_tenant_created_by_many_at_once_is_one,
                a_store_opened_by_many_at_once_is_one;
            keys: a_key_comes_back_identical, keys_are_listed_by_id, a_key_is_ended_once,
                a_key_replaces_another, a_key_that_cannot_be_added_changes_nothing, the_last_use_is_recorded,
                keys_go_with_their_tenant, no_key_outlives_its_tenants_generation;
            search: each_condition_alone, all_conditions_together, words_are_unicode_words,
                containment_is_as_in_jsonb, pages_go_on_to_the_end,
                the_order_is_that_of_ids_whatever_is_written_first,
                ids_inserted_backwards_and_forwards_between_others, expired_ones_are_not_found,
                updates_and_deletes_leave_nothing_stale, a_write_that_was_refused_is_not_found,
                pages_under_concurrent_inserts_miss_nothing_and_repeat_nothing, searches_without_an_answer,
                a_filter_of_very_many_leaves;
            random_search: random_searches_find_what_filtering_finds;
        }
    };
}

all_cases!(on_sqlite, crate::conformance::sqlite::Folder::new());
all_cases!(on_postgres, crate::conformance::postgres::Database::new());
all_cases!(behind_sessions, crate::conformance::pooled::Pooled::new(context_testing::PoolMode::Session));
all_cases!(
    behind_transactions,
    crate::conformance::pooled::Pooled::new(context_testing::PoolMode::Transaction)
);
