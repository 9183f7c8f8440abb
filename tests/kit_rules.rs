//! The alerts: rules, their tests, their inhibitions and their runbooks.

mod kit;

#[test]
fn rules_hold_what_their_tests_say() {
    kit::check("test_rules");
}

#[test]
fn inhibitions_leave_the_alert_that_matters() {
    kit::check("test_inhibitions");
}

#[test]
fn each_alert_has_a_runbook() {
    kit::check("test_runbooks");
}
