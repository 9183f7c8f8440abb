//! The regions of Tencent Cloud, for a warning about a misspelled one.
//!
//! An unknown region is still polled: it may be newer than this list.

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
    use crate::domain::target::Region;

    #[test]
    fn known_regions_are_sorted_and_valid() {
        assert!(KNOWN.is_sorted());
        assert!(KNOWN.iter().all(|name| Region::new(name).is_ok()));
    }
}
