//! Chooses between the plain and the gzip body.

use hyper::{HeaderMap, header::ACCEPT_ENCODING};

/// Whether `Accept-Encoding` accepts gzip and does not prefer plain text (RFC 9110, section 12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, 0.0);
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    for element in lines.flat_map(|line| line.split(',')) {
        let (coding, weight) = weighted(element);
        match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "*" => any = Some(weight),
            "identity" => identity = weight,
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity
}

/// A coding and its weight, 1 by default. An invalid weight counts as 0: not accepted.
fn weighted(element: &str) -> (&str, f32) {
    let mut parts = element.split(';').map(str::trim);
    let coding = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(1.0), |weight| weight.parse().ok());
    (coding, weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn accepts(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        accepts_gzip(&headers)
    }

    #[test]
    fn gzip_is_sent_where_it_is_accepted() {
        for line in [
            "gzip",
            "deflate, gzip",
            "GZIP",
            "x-gzip",
            "*",
            "gzip;q=0.001",
            "gzip ; q=1.000",
            "br;q=1, gzip;q=0.5",
        ] {
            assert!(accepts(&[line]), "{line}");
        }
        assert!(accepts(&["br", "gzip"]), "several header lines are one list");
        assert!(accepts(&["identity;q=0.5, gzip;q=0.5"]), "at equal weights the smaller body is sent");
    }

    #[test]
    fn gzip_is_not_sent_unless_accepted() {
        for line in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "*;q=0",
            "gzip;q=2",
            "gzip;q=-1",
            "gzip;q=x",
        ] {
            assert!(!accepts(&[line]), "{line}");
        }
        assert!(!accepts(&[]), "without the header, plain text");
        assert!(!accepts(&["gzip;q=0.5, identity;q=0.8"]), "the client prefers plain text");
    }
}
