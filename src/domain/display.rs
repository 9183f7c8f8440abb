//! Characters that must be escaped on a terminal, in a log line or on a page.

/// Whether a character ends a line, controls terminals, changes the reading order of text, or is invisible. All of them have at
/// most four hexadecimal digits.
#[must_use]
pub fn is_unsafe_for_display(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}
