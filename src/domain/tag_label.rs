//! A tag of tunnels, and the label that shows it.

/// A tag of tunnels that becomes a label of `tunnel_info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagLabel {
    /// The tag's key, as it is in Tencent Cloud.
    pub key: String,
    /// The label: `tag_` and the key, `_` in place of each character that Prometheus does not allow.
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
}
