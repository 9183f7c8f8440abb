//! The proxy for requests to the API, from the usual environment variables.

use std::{collections::BTreeMap, fmt};

use url::Url;

use super::secret::Secret;

/// The variables that name a proxy for `https`. The first one that is not empty is used.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that list the hosts to reach without the proxy.
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];
const QUOTES: &str = "the value has quotes around it";
const WRITE_URL: &str = "write the URL of a proxy, such as http://proxy.example:3128, or unset the variable";
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// A proxy. `Display` shows its address without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Secret,
    address: String,
    variable: &'static str,
    bypass: String,
}

/// An invalid proxy variable. The message does not repeat the value, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}; {remedy}")]
pub struct InvalidProxy {
    /// The variable.
    pub variable: &'static str,
    /// The problem of its value.
    pub problem: &'static str,
    /// The remedy.
    pub remedy: &'static str,
}

impl Proxy {
    /// Reads `HTTPS_PROXY` or `ALL_PROXY`, and `NO_PROXY`, each also in lower case. An empty variable counts as absent. `None`
    /// means that no proxy is set. The error names the invalid variable.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Option<Self>, InvalidProxy> {
        let Some((variable, text)) = first_set(variables, &PROXY_VARIABLES) else { return Ok(None) };
        let url = parse(text).map_err(|problem| InvalidProxy { variable, problem, remedy: WRITE_URL })?;
        let bypass = match first_set(variables, &NO_PROXY_VARIABLES) {
            Some((variable, text)) if has_quotes(text) => {
                return Err(InvalidProxy {
                    variable,
                    problem: QUOTES,
                    remedy: "write the hosts without quotes",
                });
            }
            set => set.map_or("", |(_, text)| text).to_owned(),
        };
        let port = url.port_or_known_default().map_or(String::new(), |port| format!(":{port}"));
        let address = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default());
        Ok(Some(Self { url: Secret::new(String::from(url)), address, variable, bypass }))
    }

    /// The URL, with user and password.
    #[must_use]
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// The environment variable that names the proxy.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// The value of `NO_PROXY`; empty if it is not set.
    #[must_use]
    pub fn no_proxy(&self) -> &str {
        &self.bypass
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

fn first_set<'a>(
    variables: &'a BTreeMap<String, String>,
    names: &[&'static str],
) -> Option<(&'static str, &'a str)> {
    names.iter().find_map(|name| {
        let text = variables.get(*name)?.trim();
        (!text.is_empty()).then_some((*name, text))
    })
}

fn has_quotes(text: &str) -> bool {
    text.starts_with(['"', '\'']) || text.ends_with(['"', '\''])
}

/// A URL with a scheme, a host, and optionally a user and a port. The default scheme is `http`, as in curl.
fn parse(text: &str) -> Result<Url, &'static str> {
    if has_quotes(text) {
        return Err(QUOTES);
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("the value has white space or a control character in it");
    }
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| "the value is not a URL")?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err("the scheme must be http, https, socks4, socks4a, socks5 or socks5h");
    }
    let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
    match url.host_str() {
        None | Some("") => Err("the value has no host"),
        Some(_) if has_more => Err("the value has more than a scheme, a host and a port"),
        Some(_) => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Proxy>, InvalidProxy> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Proxy::from_variables(&variables.iter().map(pair).collect())
    }

    #[test]
    fn usual_values_name_a_proxy() {
        let table = [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            (" http://proxy.example:3128/\n", "http://proxy.example:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            ("10.0.0.1", "http://10.0.0.1:80"),
            ("https://proxy.example", "https://proxy.example:443"),
            ("socks5h://user:hunter2@[::1]:1080", "socks5h://[::1]:1080"),
        ];
        for (value, shown) in table {
            let proxy = read(&[("HTTPS_PROXY", value)]).expect(value).expect("a proxy");
            assert_eq!(proxy.to_string(), shown, "{value}");
            assert!(!format!("{proxy:?} {proxy}").contains("hunter2"));
        }
    }

    #[test]
    fn empty_variable_counts_as_absent() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("HTTPS_PROXY", ""), ("ALL_PROXY", " ")]), Ok(None));
        let lower = read(&[("HTTPS_PROXY", ""), ("https_proxy", "http://lower:1")]).expect("a value");
        assert_eq!(
            lower.map(|proxy| (proxy.to_string(), proxy.variable())),
            Some(("http://lower:1".into(), "https_proxy"))
        );
    }

    #[test]
    fn quotes_around_no_proxy_are_refused() {
        let error =
            read(&[("HTTPS_PROXY", "http://proxy:1"), ("NO_PROXY", "\"vpc.example\"")]).expect_err("quotes");
        assert_eq!(
            error.to_string(),
            "NO_PROXY: the value has quotes around it; write the hosts without quotes"
        );
    }

    #[test]
    fn unreadable_value_is_refused_without_its_text() {
        for value in [
            "\"http://hunter2:3128\"",
            "'http://hunter2:3128'",
            "http:/hunter2:3128",
            "http:hunter2",
            "htp://hunter2:3128",
            "http://hunter2:99999",
            "http://hunter2 proxy:3128",
            "http://hunter2:3128/path",
            "http://",
            "socks5://",
        ] {
            let error = read(&[("https_proxy", value)]).expect_err(value).to_string();
            assert!(error.starts_with("https_proxy: the "), "{value:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
