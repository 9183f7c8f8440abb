//! The shipped rules and dashboards on a stage with the real exporter, Prometheus and Alertmanager.

mod kit;

#[test]
fn demo_is_watched_and_every_query_is_answered() {
    kit::check("test_demo");
}

#[test]
fn refusal_is_told_and_no_tunnel_is_called_up_or_down_for_it() {
    kit::check("test_blindness");
}

#[test]
fn labels_of_a_job_hide_no_blindness() {
    kit::check("test_labels");
}
