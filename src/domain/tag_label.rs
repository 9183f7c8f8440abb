//! A tag of tunnels and gateways, and the label that shows it.

/// The tags of a resource: keys and values, in the API's order.
pub type Tags = Box<[(Box<str>, Box<str>)]>;

/// Keeps only the tags that become labels.
pub(super) fn keep(tags: &mut Tags, tag_labels: &[TagLabel]) {
    let is_kept = |(key, _): &(Box<str>, Box<str>)| tag_labels.iter().any(|label| *label.key == **key);
    *tags = std::mem::take(tags).into_iter().filter(is_kept).collect();
}

/// A tag that becomes a label of `tunnel_info` and `gateway_info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagLabel {
    /// The tag's key, as it is in Tencent Cloud.
    pub key: String,
    /// The label: `tag_` and the key, with `_` for each character that Prometheus does not allow; or `tag_` and a configured
    /// name.
    pub label: String,
}

impl TagLabel {
    /// The label of a tag with this key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        let key = key.into();
        let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let label = format!("tag_{}", key.chars().map(allowed).collect::<String>());
        Self { key, label }
    }

    /// The label `tag_` and this name, for a tag with any key. The error message is printed after the name.
    pub fn named(key: impl Into<String>, name: &str) -> Result<Self, &'static str> {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(
                "is not a valid label name; use ASCII letters, digits and _, such as environment for tag_environment",
            );
        }
        Ok(Self { key: key.into(), label: format!("tag_{name}") })
    }

    /// Whether the label is usable: a key without ASCII letters and digits becomes only `_`.
    #[must_use]
    pub fn is_distinctive(&self) -> bool {
        self.label["tag_".len()..].contains(|c: char| c.is_ascii_alphanumeric())
    }
}
