//! The regions that an account has.

use jiff::Timestamp;
use simulator::OfferedRegion;
use tencentcloud_vpn_exporter::{
    domain::Region,
    tencent::{
        ApiError,
        regions::{AvailableRegions, RegionList, describe_regions},
    },
};

use super::rig::{Served, keyring, options, region};

fn offered(name: &str, available: bool) -> OfferedRegion {
    OfferedRegion { region: name.to_owned(), available }
}

async fn look_up(served: &Served) -> Result<AvailableRegions, ApiError> {
    let credentials = keyring(served.environment(0)).current().await?;
    let region = region();
    served.client.send(&describe_regions(&region, &served.url), &credentials, Timestamp::now()).await
}

#[tokio::test]
async fn regions_join_and_leave_as_look_ups_find_them() {
    let served = Served::start(options()).await;
    let mut list = RegionList::default();
    let offers = [
        vec![offered("ap-guangzhou", true), offered("eu-frankfurt", true), offered("ap-shanghai-fsi", true)],
        vec![offered("ap-guangzhou", true), offered("eu-frankfurt", false), offered("ap-tokyo", true)],
    ];
    for offer in offers {
        served.control.set_offered_regions(offer);
        list.update(&look_up(&served).await.expect("regions"));
    }
    let names = |list: &RegionList| list.regions().map(Region::to_string).collect::<Vec<_>>();
    assert_eq!(names(&list), ["ap-guangzhou", "ap-tokyo", "eu-frankfurt"]);
    for _ in 0..2 {
        list.update(&look_up(&served).await.expect("regions"));
    }
    assert_eq!(names(&list), ["ap-guangzhou", "ap-tokyo"]);
}

#[tokio::test]
async fn an_empty_offer_is_a_failure() {
    let served = Served::start(options()).await;
    served.control.set_offered_regions(vec![]);
    let problem = ApiError::Malformed("none of its 0 regions can be polled".into());
    assert_eq!(look_up(&served).await, Err(problem));
}

#[tokio::test]
async fn an_account_that_may_not_look_is_told_so() {
    let served = Served::start(options()).await;
    let account = served.control.accounts()[0].number.clone();
    served.control.forbid(&account, "DescribeRegions").expect("an account");
    let message = look_up(&served).await.expect_err("a refusal").to_string();
    assert!(message.starts_with("UnauthorizedOperation: "), "{message}");
}
