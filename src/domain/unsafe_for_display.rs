//! Characters in foreign texts that must not reach a terminal or a log.

/// Whether a character ends a line, controls a terminal or changes the direction of text, or is invisible without joining
/// others. All of them fit into four hexadecimal digits.
#[must_use]
pub fn is_unsafe_for_display(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}
