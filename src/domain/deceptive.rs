//! Characters in texts of others that do something else than to show.

/// Whether a character ends lines, is obeyed by terminals, or makes text read in another order than it is written; and some
/// that show nothing and join nothing. All of them fit into four hexadecimal digits.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}
