//! The addresses of the API's services: a template with placeholders for service and region.
//!
//! Responses have pre-shared keys, so plain HTTP is accepted only for a loopback host.

use std::fmt;

use url::{Host, Url};

use super::target::Region;

/// The domain of Tencent's own endpoints, on all of its sites.
const TENCENT_DOMAIN: &str = ".tencentcloudapi.com";
/// The address of a finance region.
const FINANCE: &str = "{service}.{region}.tencentcloudapi.com";
/// Values for the placeholders while a template is parsed as a URL.
const SAMPLE_SERVICE: &str = "service-placeholder";
const SAMPLE_REGION: &str = "region-placeholder";
const SAMPLES: [&str; 2] = [SAMPLE_SERVICE, SAMPLE_REGION];

/// The reason why a text is not the address of an API or of a metadata service. The message does not repeat the text, which may
/// contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// It is not a URL, or a URL without a host.
    #[error("is not a URL; write a scheme and a host, such as https://{{service}}.intl.tencentcloudapi.com")]
    NotAUrl,
    /// Its scheme is neither `https` nor `http`.
    #[error("has a scheme that is neither https nor http")]
    Scheme,
    /// It is `http`, and the host is not loopback.
    #[error("would send pre-shared keys unencrypted; write https, or http with a loopback address")]
    Plain,
    /// It has a user, a password, a path, a query or a fragment.
    #[error("has more than a scheme, a host and a port; remove the rest")]
    MoreThanAHost,
    /// It has a placeholder other than `{service}` and `{region}`, or unmatched braces.
    #[error("has an unknown placeholder; known are {{service}} and {{region}}")]
    Placeholder,
    /// It has a placeholder that is only part of a host label. Replacing it could make the host invalid.
    #[error(
        "has a placeholder that is only part of a host label; separate it with dots, such as {{service}}.{{region}}.example"
    )]
    PartOfALabel,
}

/// The template of the API's addresses, such as `https://{service}.tencentcloudapi.com`.
///
/// Tencent's general endpoints do not serve finance regions. For them, a template on Tencent's own domain is replaced by
/// `https://{service}.{region}.tencentcloudapi.com`, unless it names the region itself. A template on any other host, a proxy
/// or a simulator, is used for them too: no request may bypass it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    /// Host and port as an HTTP client sends them: in lower case, without the scheme's default port.
    authority: String,
}

impl Endpoint {
    /// Parses a template: `https`, or `http` on a loopback host, with `{service}` and `{region}` as labels of the host.
    pub fn new(template: &str) -> Result<Self, InvalidEndpoint> {
        let filled = template.replace("{service}", SAMPLE_SERVICE).replace("{region}", SAMPLE_REGION);
        if filled.contains(['{', '}']) {
            return Err(InvalidEndpoint::Placeholder);
        }
        let url = base_url(&filled)?;
        let scheme = if url.scheme() == "https" { "https" } else { "http" };
        if scheme == "http" && !is_loopback(&url) {
            return Err(InvalidEndpoint::Plain);
        }
        let labels = url.host_str().unwrap_or_default().split('.');
        let has_sample = |label: &str| SAMPLES.iter().any(|sample| label.contains(sample));
        if labels.filter(|label| has_sample(label)).any(|label| !SAMPLES.contains(&label)) {
            return Err(InvalidEndpoint::PartOfALabel);
        }
        let authority =
            url.authority().replace(SAMPLE_SERVICE, "{service}").replace(SAMPLE_REGION, "{region}");
        Ok(Self { scheme, authority })
    }

    /// The address of a service in a region, without a path: `https://vpc.tencentcloudapi.com`. The service's name has only
    /// lower-case letters.
    #[must_use]
    pub fn url(&self, service: &str, region: &Region) -> Url {
        let text = format!("{}://{}", self.scheme, self.host(service, region));
        Url::parse(&text).expect("replacing host labels keeps the URL valid")
    }

    /// The host of that address, with its port unless it is the scheme's default port.
    fn host(&self, service: &str, region: &Region) -> String {
        let is_isolated =
            region.is_finance() && self.is_tencent_host() && !self.authority.contains("{region}");
        let template = if is_isolated { FINANCE } else { &self.authority };
        template.replace("{service}", service).replace("{region}", region.as_str())
    }

    /// Whether this is the Tencent host of a single service. Other services cannot be called there.
    #[must_use]
    pub fn is_for_one_service(&self) -> bool {
        self.is_tencent_host() && !self.authority.contains("{service}")
    }

    fn is_tencent_host(&self) -> bool {
        self.authority.ends_with(TENCENT_DOMAIN)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Parses the address of a service that may use plain HTTP on any host, such as the metadata service: `https` or `http`, a
/// host, and optionally a port.
pub fn base_url(text: &str) -> Result<Url, InvalidEndpoint> {
    let url = Url::parse(text).map_err(|_| InvalidEndpoint::NotAUrl)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(InvalidEndpoint::Scheme);
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidEndpoint::MoreThanAHost);
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).expect("a region")
    }

    #[test]
    fn service_and_region_are_filled_in() {
        let table = [
            ("https://{service}.tencentcloudapi.com", "https://vpc.tencentcloudapi.com"),
            (
                "https://{service}.{region}.tencentcloudapi.com/",
                "https://vpc.ap-guangzhou.tencentcloudapi.com",
            ),
            ("HTTPS://{service}.Intl.TencentCloudAPI.com:443", "https://vpc.intl.tencentcloudapi.com"),
            ("https://proxy.example:8443", "https://proxy.example:8443"),
            ("https://vpn-placeholder.example", "https://vpn-placeholder.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.8.9.1", "http://127.8.9.1"),
            ("http://localhost:80", "http://localhost"),
            ("http://[::1]:9", "http://[::1]:9"),
        ];
        for (template, url) in table {
            let endpoint = Endpoint::new(template).expect(template);
            assert_eq!(endpoint.url("vpc", &region("ap-guangzhou")).as_str(), format!("{url}/"));
        }
    }

    #[test]
    fn invalid_endpoint_is_refused() {
        use InvalidEndpoint::{MoreThanAHost, NotAUrl, PartOfALabel, Placeholder, Plain, Scheme};
        let table = [
            ("", NotAUrl),
            ("vpc.tencentcloudapi.com", NotAUrl),
            ("https://", NotAUrl),
            ("https://a b", NotAUrl),
            ("https://host:{service}", NotAUrl),
            ("ftp://127.0.0.1", Scheme),
            ("file:///etc", Scheme),
            ("http://{service}.tencentcloudapi.com", Plain),
            ("http://10.0.0.1", Plain),
            ("http://localhost.example", Plain),
            ("http://127.0.0.1.example", Plain),
            ("http://[::2]", Plain),
            ("http://0.0.0.0", Plain),
            ("https://user:password@host", MoreThanAHost),
            ("https://{service}@host", MoreThanAHost),
            ("https://host/{service}", MoreThanAHost),
            ("https://host/?q", MoreThanAHost),
            ("https://host/#f", MoreThanAHost),
            ("https://{zone}.host", Placeholder),
            ("https://{Service}.host", Placeholder),
            ("https://{service.host", Placeholder),
            ("https://host}", Placeholder),
            ("https://{service}-{region}.example", PartOfALabel),
            ("https://xn--{region}.example", PartOfALabel),
            ("https://münchen.example", NotAUrl),
            ("https://{region}1", PartOfALabel),
        ];
        for (template, reason) in table {
            assert_eq!(Endpoint::new(template), Err(reason), "{template}");
        }
    }

    #[test]
    fn finance_region_has_its_own_tencent_host() {
        let own = "https://vpc.ap-shanghai-fsi.tencentcloudapi.com";
        let table = [
            ("https://{service}.tencentcloudapi.com", own),
            ("https://{service}.intl.tencentcloudapi.com", own),
            ("https://{service}.internal.tencentcloudapi.com", own),
            (
                "https://{service}.{region}.internal.tencentcloudapi.com",
                "https://vpc.ap-shanghai-fsi.internal.tencentcloudapi.com",
            ),
            ("https://proxy.example", "https://proxy.example"),
            ("https://tencentcloudapi.com.example", "https://tencentcloudapi.com.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ];
        for (template, url) in table {
            let endpoint = Endpoint::new(template).expect(template);
            assert_eq!(
                endpoint.url("vpc", &region("ap-shanghai-fsi")).as_str(),
                format!("{url}/"),
                "{template}"
            );
        }
    }

    #[test]
    fn tencent_host_of_one_service_is_recognised() {
        let is_for_one = |template| Endpoint::new(template).expect(template).is_for_one_service();
        assert!(is_for_one("https://vpc.tencentcloudapi.com"));
        assert!(!is_for_one("https://{service}.tencentcloudapi.com"));
        assert!(!is_for_one("https://proxy.example"));
    }

    #[test]
    fn metadata_url_may_use_http_without_a_path() {
        let parse = |text| base_url(text).map(String::from);
        assert_eq!(parse("http://metadata.tencentyun.com"), Ok("http://metadata.tencentyun.com/".to_owned()));
        assert_eq!(parse("https://127.0.0.1:81/"), Ok("https://127.0.0.1:81/".to_owned()));
        assert_eq!(parse("http://metadata.tencentyun.com/latest"), Err(InvalidEndpoint::MoreThanAHost));
        assert_eq!(parse("unix:/run/x"), Err(InvalidEndpoint::Scheme));
    }
}
