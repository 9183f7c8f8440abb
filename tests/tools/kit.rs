//! The deployment files: rules, dashboards, chart, image, unit and compose file. `tests/kit/*.py` checks them with
//! promtool, Prometheus, helm and other tools.

use std::{env, path::PathBuf, process::Command};

/// Runs every test of `tests/kit/<module>.py`, and fails with its output if one of them fails.
///
/// The interpreter is that of the virtual environment that `PYTHON_ENV` names, by default `target/python-env`.
fn check(module: &str) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python_env = env::var_os("PYTHON_ENV").map_or_else(|| "target/python-env".into(), PathBuf::from);
    let python = root.join(python_env).join("bin/python");
    let output = Command::new(&python)
        .args(["-m", "unittest", "--verbose", &format!("kit.{module}")])
        .current_dir(root.join("tests"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("EXPORTER", env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter"))
        .output()
        .unwrap_or_else(|error| {
            panic!("{} cannot be run: {error}; tests/run makes that environment", python.display())
        });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn dashboards_are_complete_and_up_to_date() {
    check("test_dashboards");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn chart_is_accepted_by_kubernetes_and_the_operator() {
    check("test_helm");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn image_runs_without_any_privilege() {
    check("test_image");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn unit_compose_policy_and_release_files_are_valid() {
    check("test_files");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn documented_costs_match_their_formula() {
    check("test_costs");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn prometheus_answers_every_query_on_the_demo() {
    check("test_demo");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn refused_credentials_alert_and_change_no_tunnel() {
    check("test_blindness");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn job_labels_do_not_hide_a_failing_target() {
    check("test_labels");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn failures_and_restarts_resolve_no_page() {
    check("test_scenarios");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn rules_pass_their_tests() {
    check("test_rules");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn inhibitions_keep_the_alert_that_matters() {
    check("test_inhibitions");
}

#[test]
#[ignore = "needs Python and the tools that tests/run installs"]
fn each_alert_has_a_runbook() {
    check("test_runbooks");
}
