//! The regions that an account has.

use std::collections::BTreeSet;

use simulator::OfferedRegion;
use tencentcloud_vpn_exporter::{
    domain::target::Region,
    tencent::{caller::Signer, describe_regions::DescribeRegions, error::ApiError},
    wiring::region_list::RegionList,
};

use super::setup::{RunningSimulator, cache, options, region};

fn offered(name: &str, available: bool) -> OfferedRegion {
    OfferedRegion { region: name.to_owned(), available }
}

async fn discover(api: &RunningSimulator) -> Result<BTreeSet<Region>, ApiError> {
    let cache = cache(api.environment(0));
    api.caller.post_once(&DescribeRegions::VPN, &region(), Signer::Cache(&cache)).await
}

#[tokio::test]
async fn regions_follow_discoveries() {
    let api = RunningSimulator::start(options()).await;
    let mut list = RegionList::default();
    let offers = [
        vec![offered("ap-guangzhou", true), offered("eu-frankfurt", true), offered("ap-shanghai-fsi", true)],
        vec![offered("ap-guangzhou", true), offered("eu-frankfurt", false), offered("ap-tokyo", true)],
    ];
    for offer in offers {
        api.control.set_offered_regions(offer);
        list.update(&discover(&api).await.expect("regions"));
    }
    let names = |list: &RegionList| list.regions().map(Region::to_string).collect::<Vec<_>>();
    assert_eq!(names(&list), ["ap-guangzhou", "ap-tokyo", "eu-frankfurt"]);
    for _ in 0..2 {
        list.update(&discover(&api).await.expect("regions"));
    }
    assert_eq!(names(&list), ["ap-guangzhou", "ap-tokyo"]);
}

#[tokio::test]
async fn empty_region_list_is_malformed() {
    let api = RunningSimulator::start(options()).await;
    api.control.set_offered_regions(vec![]);
    let problem = ApiError::Malformed("none of its 0 regions can be polled".into());
    assert_eq!(discover(&api).await, Err(problem));
}

#[tokio::test]
async fn refused_discovery_is_an_error() {
    let api = RunningSimulator::start(options()).await;
    let account = api.control.accounts()[0].number.clone();
    api.control.forbid(&account, "DescribeRegions").expect("an account");
    let message = discover(&api).await.expect_err("a refusal").to_string();
    assert!(message.starts_with("UnauthorizedOperation: "), "{message}");
}
