//! The contract of `SandboxDriver` and `Sandbox`, held by every driver: one list of cases, one module per driver.
//!
//! Where the native driver can't work it is skipped with a line that says so; Docker is left out only on request.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![expect(clippy::print_stderr, reason = "what can't run here says so")]
#![expect(clippy::disallowed_methods, reason = "builds what the tests need")]

mod contract;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/init.rs"]
mod init;
#[path = "../../protocol/tests/support/invoke.rs"]
mod invoke;

use contract::fixture::{Fixture, Subject};

/// One test per case, for one driver.
macro_rules! contract {
    ($driver:ident, $subject:expr, [$($file:ident :: $case:ident),* $(,)?]) => {
        mod $driver {
            use super::Subject;

            #[tokio::test]
            #[ignore = "started and killed by another test"]
            async fn earlier_life() {
                $crate::contract::leftovers::earlier_life($subject).await;
            }

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let Some(fixture) = super::Fixture::open($subject).await else { return };
                    $crate::contract::$file::$case(&fixture).await;
                    fixture.close().await;
                }
            )*
        }
    };
}

macro_rules! every_case {
    ($driver:ident, $subject:expr) => {
        contract!(
            $driver,
            $subject,
            [
                life::a_call_brings_its_answer_and_its_logs,
                life::a_spare_gets_its_code_while_it_runs,
                life::a_program_that_comes_with_the_code_finds_a_confined_process,
                life::a_process_that_ended_before_it_had_a_program_is_told,
                life::a_program_runs_to_its_end,
                life::a_load_that_fails_is_the_codes_own,
                life::killed_twice_is_killed_once,
                life::a_dropped_sandbox_is_removed,
                life::what_is_given_up_half_way_is_removed,
                life::many_at_once,
                life::a_build_writes_to_its_workspace_and_nowhere_else,
                life::files_of_the_host_can_be_shown_anywhere,
                life::a_program_that_is_not_there_is_told,
                faults::an_exit_is_told_with_its_code,
                faults::a_signal_is_told,
                faults::the_memory_limit_is_told,
                faults::a_child_at_the_memory_limit_is_the_calls_fault,
                faults::a_deadline_is_told_and_the_kill_ends_all,
                faults::a_byte_out_of_turn_makes_it_unclean,
                limits::processes_are_bounded,
                limits::the_temporary_folder_is_bounded,
                limits::a_bind_sets_the_limits,
                limits::a_bind_sizes_the_temporary_folder,
                limits::all_together_have_a_ceiling,
                limits::frozen_it_uses_no_cpu,
                limits::what_it_used_is_counted,
                isolation::it_has_no_rights,
                isolation::it_sees_nothing_of_the_host,
                isolation::it_reaches_no_network,
                isolation::its_root_and_code_are_read_only,
                isolation::code_runs_only_where_it_may,
                calls::what_is_refused_is_refused_with_its_error,
                calls::signals_stay_inside,
                calls::the_filter_is_on,
                survivors::a_call_that_leaves_nothing_is_settled,
                survivors::a_process_is_found,
                survivors::an_orphan_is_found,
                survivors::a_process_that_hides_is_found,
                survivors::a_thread_is_found_where_their_number_is_fixed,
                survivors::what_the_load_started_may_stay,
                survivors::a_restart_ends_all_and_starts_anew,
                survivors::a_restart_of_a_dead_runtime_is_a_start,
                leftovers::a_sweep_removes_what_an_earlier_life_left,
                leftovers::a_sweep_spares_the_living,
            ]
        );
    };
}

every_case!(native, Subject::Native);
every_case!(docker, Subject::Docker);
