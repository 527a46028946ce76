//! One story, told to both databases: what the rest of Cloudbox relies on when it keeps something.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod story {
    pub mod deploying;
    pub mod documents;
    pub mod functions;
    pub mod keeping;
    pub mod objects;
    pub mod records;
    pub mod secrets;
    pub mod setup;
    pub mod versions;
}

use story::setup::{Place, key};
use story::{deploying, documents, functions, keeping, objects, records, secrets, versions};

/// Every chapter on a database of its own, since each counts what is there. `part`: records that one deletion takes.
macro_rules! told_to {
    ($database:ident, $place:expr, $part:expr) => {
        mod $database {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn projects_and_functions() {
                let place = $place;
                let store = place.open(key(1)).await;
                functions::projects_are_kept(&*store).await;
                functions::functions_are_kept(&*store).await;
                functions::changes_at_once_meet(&*store).await;
                functions::deletion_takes_all_along(&*store).await;
                store.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn deployments() {
                let place = $place;
                let store = place.open(key(1)).await;
                deploying::a_deployment_that_succeeds(&*store).await;
                deploying::one_that_fails_leaves_the_version(&*store).await;
                deploying::one_that_crashed_is_ended(&*store).await;
                deploying::each_node_ends_its_own(&*store).await;
                deploying::what_has_ended_stays(&*store).await;
                deploying::logs_are_bounded(&*store).await;
                store.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn versions_and_aliases() {
                let place = $place;
                let store = place.open(key(1)).await;
                versions::history_says_who_and_when(&*store).await;
                versions::rolling_back_goes_back_step_by_step(&*store).await;
                versions::aliases_are_kept(&*store).await;
                versions::what_is_named_stays(&*store).await;
                versions::a_split_ends_with_its_cause(&*store).await;
                store.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn kept_objects() {
                let place = $place;
                let store = place.open(key(1)).await;
                objects::rows_refer_to_objects(&*store).await;
                objects::holds_and_removals_see_each_other(&*store).await;
                store.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn records_and_totals() {
                let place = $place;
                let store = place.open(key(1)).await;
                records::each_counts_once(&*store).await;
                records::pages_and_filters(&*store).await;
                records::pages_have_numbers(&*store).await;
                records::what_was_kept_is_read_on(&*store).await;
                records::odd_ones_are_kept_too(&*store).await;
                records::those_of_deleted_functions_are_dropped(&*store).await;
                store.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn documents_of_functions() {
                let place = $place;
                let store = place.open(key(1)).await;
                documents::a_document_lives(&*store).await;
                documents::filters_choose(&*store).await;
                documents::lists_are_sorted(&*store).await;
                documents::arguments_are_checked(&*store).await;
                documents::nothing_is_spliced(&*store).await;
                documents::quotas_hold(&*store).await;
                documents::projects_are_apart(&*store).await;
                documents::a_rehearsal_leaves_nothing(&store).await;
                documents::many_write_at_once(&store).await;
                store.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn old_records() {
                let place = $place;
                let store = place.open(key(1)).await;
                records::old_ones_go(&*store).await;
                records::inline_ones_are_the_projects(&*store).await;
                records::many_go_part_by_part(&*store, $part).await;
                records::a_project_goes_with_its_records(&*store).await;
                store.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn many_at_once() {
                let place = $place;
                let store = place.open(key(1)).await;
                records::fifty_writers_at_once(&store).await;
                deploying::one_of_many_begins(&store).await;
                store.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn secrets_and_keys() {
                let place = $place;
                secrets::a_projects_secrets_are_its_functions(&place).await;
                secrets::keys_change(&place).await;
                secrets::a_lost_key_is_named_and_costs_nobody_else(&place).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn restarts_and_secrets() {
                let place = $place;
                keeping::everything_is_there_after_a_restart(&place).await;
                keeping::environments_are_encrypted(&place).await;
                keeping::a_newer_schema_is_refused(&place).await;
            }
        }
    };
}

told_to!(sqlite, Place::sqlite(), 250);
told_to!(postgres, Place::postgres(), 1000);
