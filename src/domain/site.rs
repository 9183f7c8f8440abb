//! The two sites of Tencent Cloud. Each has its own accounts and its own API hosts.

use std::fmt;

use url::Url;

use super::endpoint::Endpoint;

/// The site of an account. It is not documented whether a key of one site works at the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Site {
    /// `https://{service}.intl.tencentcloudapi.com`. The API documents describe this site.
    #[default]
    International,
    /// `https://{service}.tencentcloudapi.com`.
    China,
}

impl Site {
    /// Parses the name that the configuration uses. The error says what to write.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "international" => Ok(Self::International),
            "china" => Ok(Self::China),
            _ => Err("is not a site; write international or china"),
        }
    }

    /// The name that the configuration uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::International => "international",
            Self::China => "china",
        }
    }

    /// The other site.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::International => Self::China,
            Self::China => Self::International,
        }
    }

    /// The endpoint of this site's API.
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        let template = match self {
            Self::International => "https://{service}.intl.tencentcloudapi.com",
            Self::China => "https://{service}.tencentcloudapi.com",
        };
        Endpoint::new(template).expect("the sites have valid endpoints")
    }

    /// The site that a URL belongs to; `None` for other hosts, such as hosts of a single region.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let (_service, domain) = url.host_str()?.split_once('.')?;
        match domain {
            "intl.tencentcloudapi.com" => Some(Self::International),
            "tencentcloudapi.com" => Some(Self::China),
            _ => None,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::target::Region;

    #[test]
    fn site_is_read_back_from_its_url() {
        let region = Region::new("ap-singapore").expect("a region");
        for site in [Site::International, Site::China] {
            assert_eq!(Site::of(&site.endpoint().url("vpc", &region)), Some(site));
            assert_eq!(Site::parse(site.as_str()), Ok(site));
        }
        for other in
            ["https://vpc.ap-singapore.tencentcloudapi.com", "https://vpc.example", "http://127.0.0.1"]
        {
            assert_eq!(Site::of(&Url::parse(other).expect("a URL")), None, "{other}");
        }
    }

    #[test]
    fn default_site_is_international() {
        let region = Region::new("ap-singapore").expect("a region");
        let url = Site::default().endpoint().url("vpc", &region);
        assert_eq!(url.as_str(), "https://vpc.intl.tencentcloudapi.com/");
        assert!(Site::parse("intl").is_err());
    }
}
