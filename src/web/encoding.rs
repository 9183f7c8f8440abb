//! Which of the two bodies that are ready a client wants: plain or gzip.

use hyper::{HeaderMap, header::ACCEPT_ENCODING};

/// Whether `Accept-Encoding` takes gzip, and does not like plain text better (RFC 9110, section 12.5.3).
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    for element in lines.flat_map(|line| line.split(',')) {
        let (coding, weight) = weighted(element);
        match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = gzip.max(Some(weight)),
            "*" => any = any.max(Some(weight)),
            "identity" => identity = identity.max(Some(weight)),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A coding and its weight in thousandths. One that cannot be read is not wanted.
fn weighted(element: &str) -> (&str, u16) {
    let mut parts = element.split(';').map(str::trim);
    let coding = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    (coding, weight.map_or(1000, |weight| thousandths(weight).unwrap_or(0)))
}

fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn takes(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        takes_gzip(&headers)
    }

    #[test]
    fn gzip_is_taken_where_it_is_accepted() {
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
            assert!(takes(&[line]), "{line}");
        }
        assert!(takes(&["br", "gzip"]), "several header lines are one list");
        assert!(takes(&["identity;q=0.5, gzip;q=0.5"]), "an equal weight goes to the smaller body");
    }

    #[test]
    fn gzip_is_not_sent_where_it_is_not_accepted() {
        for line in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "*;q=0",
            "gzip;q=2",
            "gzip;q=-1",
            "gzip;q=0.0001",
            "gzip;q=x",
        ] {
            assert!(!takes(&[line]), "{line}");
        }
        assert!(!takes(&[]), "without the header, the plain text");
        assert!(!takes(&["gzip;q=0.5, identity;q=0.8"]), "the client likes plain text better");
    }
}
