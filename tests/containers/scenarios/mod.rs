//! What Strait has to show with containers, a file for each claim.

mod applications;
mod attach;
mod bad_input;
mod baseline;
mod compose;
mod engineless;
mod exported;
mod hostile;
mod injecting;
mod lives;
mod metadata;
mod namespaces;
mod oracle;
mod origins;
mod room;
mod runtimes;
mod scanning;
mod twenty;
mod unprivileged;
mod verifying;

use crate::apps::{Gunicorn, Nginx, Postgres, Redis};
use crate::support::{Engine, Runtime};

/// A test and its name.
pub type Scenario = (&'static str, fn());

/// All of them; the long ones first, so that the short ones fill the gaps.
pub const ALL: &[Scenario] = &[
    ("docker::postgres_runs_under_its_profile", || {
        applications::runs_under_its_profile(&Engine::docker(), &Postgres);
    }),
    ("podman::postgres_runs_under_its_profile", || {
        applications::runs_under_its_profile(&Engine::podman(), &Postgres);
    }),
    ("docker::nginx_runs_under_its_profile", || {
        applications::runs_under_its_profile(&Engine::docker(), &Nginx);
    }),
    ("podman::nginx_runs_under_its_profile", || {
        applications::runs_under_its_profile(&Engine::podman(), &Nginx);
    }),
    ("docker::redis_runs_under_its_profile", || {
        applications::runs_under_its_profile(&Engine::docker(), &Redis);
    }),
    ("podman::redis_runs_under_its_profile", || {
        applications::runs_under_its_profile(&Engine::podman(), &Redis);
    }),
    ("docker::python_runs_under_its_profile", || {
        applications::runs_under_its_profile(&Engine::docker(), &Gunicorn);
    }),
    ("podman::python_runs_under_its_profile", || {
        applications::runs_under_its_profile(&Engine::podman(), &Gunicorn);
    }),
    ("hostile_users_beside_two_hundred_recordings", hostile::two_hundred_while_ten_attack),
    ("docker::recorded_under_runc_it_starts_under_crun", || {
        runtimes::starts_under_the_other(&Engine::docker().with(Runtime::Runc));
    }),
    ("docker::recorded_under_crun_it_starts_under_runc", || {
        runtimes::starts_under_the_other(&Engine::docker().with(Runtime::Crun));
    }),
    ("podman::recorded_under_runc_it_starts_under_crun", || {
        runtimes::starts_under_the_other(&Engine::podman().with(Runtime::Runc));
    }),
    ("podman::recorded_under_crun_it_starts_under_runc", || {
        runtimes::starts_under_the_other(&Engine::podman().with(Runtime::Crun));
    }),
    (
        "for_one_runtime_and_no_new_privs_the_profile_is_narrower_and_enough",
        runtimes::narrower_for_one_runtime_with_no_new_privs,
    ),
    ("docker::twenty_at_once_are_told_apart", || twenty::are_kept_apart(&Engine::docker())),
    ("podman::twenty_at_once_are_told_apart", || twenty::are_kept_apart(&Engine::podman())),
    ("docker::a_container_without_privilege_records_itself", || {
        unprivileged::records_itself(&Engine::docker());
    }),
    ("podman::a_container_without_privilege_records_itself", || {
        unprivileged::records_itself(&Engine::podman());
    }),
    ("a_container_whose_profile_refuses_seccomp_says_so", unprivileged::refused_by_the_profile),
    ("docker::a_life_of_milliseconds_is_recorded", || lives::of_milliseconds(&Engine::docker())),
    ("podman::a_life_of_milliseconds_is_recorded", || lives::of_milliseconds(&Engine::podman())),
    ("docker::five_lives_are_five_recordings", lives::five_are_five_recordings),
    ("docker::an_exec_is_in_the_recording", || lives::exec_is_recorded(&Engine::docker())),
    ("podman::an_exec_is_in_the_recording", || lives::exec_is_recorded(&Engine::podman())),
    ("docker::a_removed_container_is_recorded", lives::removed_at_once),
    ("docker::what_programs_can_call_is_known", || {
        scanning::is_known(&Engine::docker(), &Redis);
    }),
    ("podman::what_programs_can_call_is_known", || {
        scanning::is_known(&Engine::podman(), &Nginx);
    }),
    ("docker::what_ends_at_once_is_scanned_or_it_is_said", || {
        scanning::of_what_ends_at_once(&Engine::docker());
    }),
    ("podman::what_ends_at_once_is_scanned_or_it_is_said", || {
        scanning::of_what_ends_at_once(&Engine::podman());
    }),
    ("a_scan_that_gets_no_answer_is_not_waited_for", scanning::of_what_never_answers),
    ("the_commands_exit_status_is_passed_through", lives::exit_status),
    ("docker::the_recording_knows_its_container", || {
        metadata::is_known(&Engine::docker());
    }),
    ("podman::the_recording_knows_its_container", || {
        metadata::is_known(&Engine::podman());
    }),
    ("without_a_filter_the_recording_starts_at_the_first_exec", metadata::without_a_filter),
    ("only_chosen_containers_are_recorded", metadata::only_chosen),
    ("docker::containers_of_others_are_left_out", || {
        origins::others_are_left_out(&Engine::docker(), "engine");
    }),
    ("podman::containers_of_others_are_left_out", || {
        origins::others_are_left_out(&Engine::podman(), "descent");
    }),
    (
        "origins_of_what_is_started_again_and_detached",
        origins::what_is_started_again_and_what_is_detached,
    ),
    ("origins_count_for_verdicts", origins::verdicts_are_about_the_commands_own),
    ("origins_of_a_runtime_by_itself", origins::of_a_runtime_by_itself),
    ("origins_of_containerd_are_time_alone", origins::of_containerd),
    ("origins_that_nothing_tells_are_said", origins::where_nothing_tells),
    ("only_that_chooses_none_is_said", metadata::only_none),
    ("a_name_in_two_projects_is_ambiguous", metadata::a_name_in_two_projects_is_ambiguous),
    ("the_table_is_what_docker_enforces", baseline::is_what_docker_enforces),
    ("comparing_filters_finds_what_is_wider", oracle::finds_what_is_wider),
    ("docker::attaching_to_a_container_misses_only_its_start", || {
        attach::to_a_container(&Engine::docker());
    }),
    ("podman::attaching_to_a_container_misses_only_its_start", || {
        attach::to_a_container(&Engine::podman());
    }),
    ("docker::a_container_is_found_by_its_id", || {
        attach::to_a_container_by_its_id(&Engine::docker());
    }),
    ("podman::a_container_is_found_by_its_id", || {
        attach::to_a_container_by_its_id(&Engine::podman());
    }),
    ("attaching_to_a_process_misses_only_its_start", attach::to_a_process),
    ("docker::attaching_to_a_cgroup_misses_only_its_start", || {
        attach::to_a_cgroup(&Engine::docker());
    }),
    ("podman::attaching_to_a_cgroup_misses_only_its_start", || {
        attach::to_a_cgroup(&Engine::podman());
    }),
    ("attaching_to_what_is_idle_says_so", attach::to_what_is_idle),
    ("attaching_to_what_has_ended_is_an_error", attach::to_what_has_ended),
    ("docker::verify_passes_on_the_status_of_a_clean_run", || {
        verifying::clean(&Engine::docker());
    }),
    ("podman::verify_passes_on_the_status_of_a_clean_run", || {
        verifying::clean(&Engine::podman());
    }),
    ("docker::verify_names_what_is_refused", || verifying::refused(&Engine::docker())),
    ("podman::verify_names_what_is_refused", || verifying::refused(&Engine::podman())),
    (
        "docker::verify_gives_the_profile_to_who_has_none",
        verifying::gives_it_to_containers_of_docker,
    ),
    (
        "podman::verify_gives_the_profile_to_who_has_none",
        verifying::gives_it_to_containers_of_podman,
    ),
    ("docker::inject_is_not_got_round", injecting::of_docker_is_not_got_round),
    ("podman::inject_is_not_got_round", injecting::of_podman_is_not_got_round),
    ("inject_refuses_what_is_ambiguous", injecting::what_is_ambiguous_is_refused),
    ("inject_leaves_alone_what_only_does_not_name", injecting::only_chosen),
    ("podman::inject_leaves_infra_containers_alone", injecting::pods_of_podman),
    ("verify_says_if_a_container_had_another_profile", verifying::under_another_profile),
    ("docker::verify_tells_another_release_of_the_profile", || {
        verifying::under_another_release(&Engine::docker());
    }),
    ("podman::verify_tells_another_release_of_the_profile", || {
        verifying::under_another_release(&Engine::podman());
    }),
    (
        "podman::verify_knows_the_profile_of_its_settings",
        verifying::under_the_profile_of_podmans_settings,
    ),
    ("verify_without_a_container_is_an_error", verifying::without_a_container),
    ("room_of_ended_containers_is_given_to_others", room::of_ended_containers),
    ("what_ran_before_is_not_taken_for_new", room::with_two_capabilities),
    ("runc_by_itself_is_recorded", || engineless::plain(Runtime::Runc)),
    ("crun_by_itself_is_recorded", || engineless::plain(Runtime::Crun)),
    ("containerd_by_itself_is_recorded", engineless::of_containerd),
    ("a_container_in_a_container_is_recorded_and_counts_for_both", engineless::nested),
    ("compose_services_name_their_files", compose::files_are_named_after_services),
    ("docker::who_shares_the_hosts_namespaces_is_recorded", || {
        namespaces::of_the_host(&Engine::docker());
    }),
    ("podman::who_shares_the_hosts_namespaces_is_recorded", || {
        namespaces::of_the_host(&Engine::podman());
    }),
    ("podman::who_has_users_of_its_own_is_recorded", namespaces::with_users_of_its_own),
    ("docker::what_never_started_is_said_and_not_written", || {
        lives::of_what_never_started(&Engine::docker());
    }),
    ("podman::what_never_started_is_said_and_not_written", || {
        lives::of_what_never_started(&Engine::podman());
    }),
    ("what_there_is_is_written_on_demand", lives::so_far),
    ("an_engine_that_cannot_be_used_stops_no_recording", bad_input::unusable_engine),
    ("an_output_folder_that_goes_away_takes_nothing_with_it", bad_input::lost_folder),
    ("docker::lint_says_what_it_refuses", || exported::lint_is_right(&Engine::docker())),
    ("podman::lint_says_what_it_refuses", || exported::lint_is_right(&Engine::podman())),
    ("podman::lint_says_what_crun_refuses", || {
        exported::lint_is_right(&Engine::podman().with(Runtime::Crun));
    }),
    ("what_lint_calls_ignored_is_lost", exported::what_is_ignored_is_lost),
    ("what_lint_finds_nothing_in_is_exported_and_runs", exported::exported_commands_run),
    ("docker::hostile_processes_are_not_taken_for_a_container", || {
        hostile::is_not_taken_for(&Engine::docker());
    }),
    ("podman::hostile_processes_are_not_taken_for_a_container", || {
        hostile::is_not_taken_for(&Engine::podman());
    }),
    ("docker::hostile_monitors_are_not_asked_about_a_container", || {
        hostile::monitor_is_not_asked(&Engine::docker());
    }),
    ("podman::hostile_monitors_are_not_asked_about_a_container", || {
        hostile::monitor_is_not_asked(&Engine::podman());
    }),
    ("a_dead_engine_stops_no_recording", bad_input::dead_engine),
    ("two_recorders_at_once_see_the_same", bad_input::two_recorders),
    ("an_output_folder_that_cannot_be_written_is_an_error", bad_input::output_folder),
    ("what_is_not_there_is_an_error", bad_input::not_there),
];
