//! A tag of tunnels, and the label that shows it.

/// A tag of tunnels that becomes a label of `tunnel_info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagLabel {
    /// The tag's key, as it is in Tencent Cloud.
    pub key: String,
    /// The label: `tag_` and the key, `_` in place of each character that Prometheus does not allow; or `tag_` and a name.
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

    /// The label `tag_` and this name, for a tag with any key. The message about a name that makes no label follows the name.
    pub fn named(key: impl Into<String>, name: &str) -> Result<Self, &'static str> {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(
                "makes no label; write ASCII letters, digits and _, such as environment for tag_environment",
            );
        }
        Ok(Self { key: key.into(), label: format!("tag_{name}") })
    }

    /// Whether the label tells the tag from others: a key in Chinese leaves nothing but `_`.
    #[must_use]
    pub fn is_distinctive(&self) -> bool {
        self.label["tag_".len()..].contains(|c: char| c.is_ascii_alphanumeric())
    }
}
