//! Formats texts and numbers for people.

use std::borrow::Cow;

use crate::domain::display::{is_unsafe_for_display, number};

/// Escapes invisible characters and characters that change the reading order in a text from the API.
pub(super) fn escape_invisible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe_for_display) {
        return text.into();
    }
    let mut escaped = String::with_capacity(2 * text.len());
    for c in text.chars() {
        if is_unsafe_for_display(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    escaped.into()
}

/// `1 tunnel`, `12,000 tunnels`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(escape_invisible("a\nb\tc\0"), r"a\nb\tc\u{0}");
        assert_eq!(escape_invisible("\u{202e}evil\u{9b}"), r"\u{202e}evil\u{9b}");
        assert!(matches!(escape_invisible(r"Büro\n 办公室 👩‍💻"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        let texts = [0, 1, 999, 1_000, 10_000, 1_234_567].map(|count| counted(count, "tunnel"));
        let expected =
            ["0 tunnels", "1 tunnel", "999 tunnels", "1,000 tunnels", "10,000 tunnels", "1,234,567 tunnels"];
        assert_eq!(texts, expected);
    }
}
