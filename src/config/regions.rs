//! The regions that Tencent Cloud had when this was written, to tell a misspelling from a name.
//!
//! A region that is not here is still polled: the list may be older than the region.

/// Their API names, in alphabetical order.
pub(super) const KNOWN: &[&str] = &[
    "ap-bangkok",
    "ap-beijing",
    "ap-beijing-fsi",
    "ap-changsha-ec",
    "ap-chengdu",
    "ap-chongqing",
    "ap-fuzhou-ec",
    "ap-guangzhou",
    "ap-guangzhou-open",
    "ap-guiyang",
    "ap-hangzhou-ec",
    "ap-hefei-ec",
    "ap-hongkong",
    "ap-jakarta",
    "ap-jinan-ec",
    "ap-johorbahru",
    "ap-mumbai",
    "ap-nanjing",
    "ap-osaka",
    "ap-qingyuan",
    "ap-seoul",
    "ap-shanghai",
    "ap-shanghai-adc",
    "ap-shanghai-fsi",
    "ap-shenyang-ec",
    "ap-shenzhen",
    "ap-shenzhen-fsi",
    "ap-shijiazhuang-ec",
    "ap-singapore",
    "ap-taipei",
    "ap-tianjin",
    "ap-tokyo",
    "ap-wuhan-ec",
    "ap-xian-ec",
    "ap-zhengzhou-ec",
    "ap-zhongwei",
    "eu-frankfurt",
    "eu-moscow",
    "me-saudi-arabia",
    "na-ashburn",
    "na-queretaro",
    "na-siliconvalley",
    "na-toronto",
    "sa-saopaulo",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Region;

    #[test]
    fn the_list_is_in_order_and_of_valid_names() {
        assert!(KNOWN.is_sorted());
        assert!(KNOWN.iter().all(|name| Region::new(name).is_ok()));
    }
}
