//! How the exporter is deployed: chart, image, compose file, unit, policy, release.

mod kit;

#[test]
fn chart_holds_for_kubernetes_and_the_operator() {
    kit::check("test_helm");
}

#[test]
fn image_runs_without_any_privilege() {
    kit::check("test_image");
}

#[test]
fn unit_compose_file_policy_and_release_are_in_order() {
    kit::check("test_files");
}
