//! How the exporter is deployed: chart, image, compose file, unit, policy, release.

mod kit;

#[test]
fn chart_holds_for_kubernetes_and_the_operator() {
    kit::check("test_helm");
}
