//! Checks the headers `Host`, `Origin` and `Sec-Fetch-Site` of requests.

use hyper::{
    HeaderMap, Version,
    header::{HOST, HeaderName, HeaderValue, ORIGIN},
    http::uri::Authority,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the request has exactly one valid `Host`, which HTTP/1.1 requires (RFC 9112, section 3.2). An empty one is valid.
pub(super) fn has_valid_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => {
            host.is_empty()
                || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        (Some(_), Some(_)) => false,
    }
}

/// Whether a browser sent the request from a page of another site. Other clients send neither of the two headers.
pub(super) fn is_cross_origin(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    // A proxy may change the scheme, so only host and port are compared. The origin `null` has none.
    let is_own = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority.as_bytes());
        host.zip(authority).is_some_and(|(host, authority)| host.eq_ignore_ascii_case(authority))
    };
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let mut origins = headers.get_all(ORIGIN).iter();
    sites.any(|site| site != "same-origin" && site != "none")
        || origins.any(|origin| !origin.to_str().is_ok_and(is_own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn host_is_required_once_and_valid() {
        let is_valid = |hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_str(host).unwrap());
            }
            has_valid_host(Version::HTTP_11, &headers)
        };
        for host in ["", "a", "a.example:14500", "192.0.2.7", "[2001:db8::7]:14500", "A_b-c.example"] {
            assert!(is_valid(&[host]), "{host}");
        }
        for host in ["a b", "a/b", "http://a", "a@b", "<a>", "a\"", "[::1", "a,b c", "a\\b", "?"] {
            assert!(!is_valid(&[host]), "{host}");
        }
        assert!(!is_valid(&[]) && !is_valid(&["a", "a"]));
        assert!(has_valid_host(Version::HTTP_10, &HeaderMap::new()));
    }

    #[test]
    fn page_of_another_site_is_cross_origin() {
        let with = |more: &[(HeaderName, &str)]| {
            let mut headers = headers(more);
            headers.insert(HOST, HeaderValue::from_static("exporter.example:14500"));
            is_cross_origin(&headers)
        };
        assert!(!with(&[]));
        for origin in ["http://exporter.example:14500", "https://Exporter.example:14500"] {
            assert!(!with(&[(ORIGIN, origin)]), "{origin}");
        }
        for origin in
            ["null", "", "http://exporter.example", "http://evil.example:14500", "exporter.example:14500"]
        {
            assert!(with(&[(ORIGIN, origin)]), "{origin}");
        }
        for (site, expected) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true)]
        {
            assert_eq!(with(&[(SEC_FETCH_SITE, site)]), expected, "{site}");
        }
        assert!(is_cross_origin(&headers(&[(ORIGIN, "http://a")])), "without a host");
    }
}
