//! The query string of the page: a search, one status, a page number.

use url::form_urlencoded;

use crate::domain::{status::Status, tunnel_status::TunnelStatus};

/// The maximum length of a search, in characters; texts of tunnels are not longer.
const MAX_SEARCH: usize = 128;

/// A parsed query string. Invalid parts are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// The search, as typed.
    pub(super) search: String,
    /// The only status to show. `None` shows all.
    pub(super) show: Option<TunnelStatus>,
    /// The page number, from 1; it may be greater than the last page.
    pub(super) page: usize,
}

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let mut parsed = Self { page: 1, ..Self::default() };
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "q" => parsed.search = value.trim().chars().take(MAX_SEARCH).collect(),
                "show" => {
                    parsed.show = TunnelStatus::ALL.iter().copied().find(|status| status.as_str() == value);
                }
                "page" => parsed.page = value.parse().unwrap_or(1).max(1),
                _ => {}
            }
        }
        parsed
    }

    /// Whether it matches all tunnels.
    pub(super) fn matches_all(&self) -> bool {
        self.search.is_empty() && self.show.is_none()
    }

    /// A link with the same query.
    pub(super) fn link(&self) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        if !self.search.is_empty() {
            pairs.append_pair("q", &self.search);
        }
        if let Some(tunnel_status) = self.show {
            pairs.append_pair("show", tunnel_status.as_str());
        }
        if self.page > 1 {
            pairs.append_pair("page", &self.page.to_string());
        }
        match pairs.finish() {
            nothing if nothing.is_empty() => "./".to_owned(),
            query => format!("?{query}"),
        }
    }

    /// A link to another page of the same query.
    pub(super) fn link_to_page(&self, page: usize) -> String {
        Self { page, ..self.clone() }.link()
    }

    /// A link to the first page of one status, or of all, with the same search.
    pub(super) fn link_to(&self, show: Option<TunnelStatus>) -> String {
        Self { show, page: 1, ..self.clone() }.link()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_parses_to_the_same_query() {
        for query in ["", "q=a+b%26%3Cc%3E", "show=down", "q=x&show=idle&page=3", "page=18446744073709551615"]
        {
            let parsed = Query::parse(query);
            assert_eq!(Query::parse(parsed.link().trim_start_matches(['?', '.', '/'])), parsed, "{query}");
        }
        assert_eq!(Query::parse("q=%22%3E%3Cscript%3E").link(), "?q=%22%3E%3Cscript%3E");
    }

    #[test]
    fn invalid_parts_are_ignored() {
        for query in ["page=0", "page=-1", "page=x", "show=everything", "x=y", "q=", "q=%20", "&&=", "q"] {
            assert_eq!(Query::parse(query), Query { page: 1, ..Query::default() }, "{query}");
        }
        assert_eq!(Query::parse(&format!("q={}", "é".repeat(500))).search.chars().count(), 128);
        assert_eq!(Query::parse("q=%FF").search, "\u{fffd}");
    }

    #[test]
    fn other_status_starts_on_first_page() {
        let query = Query::parse("q=x&show=down&page=3");
        assert_eq!(query.link_to(Some(TunnelStatus::Idle)), "?q=x&show=idle");
        assert_eq!(query.link_to(None), "?q=x");
        assert_eq!(query.link_to_page(4), "?q=x&show=down&page=4");
    }
}
