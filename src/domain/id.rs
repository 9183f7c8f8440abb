//! The ids of resources. Each kind of resource has its own type.

/// Declares the type of an id: 1 to 128 characters without control characters.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// Accepts 1 to 128 characters without control characters. `None` for anything else.
            #[must_use]
            pub fn new(id: &str) -> Option<Self> {
                $crate::domain::id::is_valid(id).then(|| Self(id.into()))
            }

            /// The id as the API spells it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use id;

/// The longest id that is accepted. Real ones have about 14 characters.
const MAX_ID_CHARS: usize = 128;

pub(super) fn is_valid(id: &str) -> bool {
    !id.is_empty() && id.chars().nth(MAX_ID_CHARS).is_none() && !id.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_has_1_to_128_printable_characters() {
        assert!(!is_valid(""));
        assert!(!is_valid("vpnx-\u{1b}[31m"));
        assert!(is_valid(&"x".repeat(128)));
        assert!(!is_valid(&"x".repeat(129)));
    }
}
