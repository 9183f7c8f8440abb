//! The Grafana dashboards.

mod kit;

#[test]
fn dashboards_are_in_step_and_complete() {
    kit::check("test_dashboards");
}
