//! Words and numbers as people read them.

use std::borrow::Cow;

/// A text of the cloud, fit to be looked at: what would not show, or would turn its surroundings around, gets a sign.
pub(super) fn legible(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| sign(c) != c) { text.chars().map(sign).collect() } else { text.into() }
}

/// The sign for a character that has none of its own.
fn sign(c: char) -> char {
    match c {
        '\0'..='\x1f' => {
            char::from_u32(0x2400 + u32::from(c)).expect("every control character has a picture")
        }
        '\x7f' => '␡',
        '\u{80}'..='\u{9f}' | '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            char::REPLACEMENT_CHARACTER
        }
        _ => c,
    }
}

/// `1 tunnel`, `12,000 tunnels`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

/// A number with its thousands apart.
pub(super) fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_without_a_sign_get_one() {
        assert_eq!(legible("a\nb\tc\0"), "a␊b␉c␀");
        assert_eq!(legible("\u{202e}evil\u{9b}"), "\u{fffd}evil\u{fffd}");
        assert!(matches!(legible("Büro 办公室 👩‍💻"), Cow::Borrowed("Büro 办公室 👩‍💻")));
    }

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        let texts = [0, 1, 999, 1_000, 10_000, 1_234_567].map(|count| counted(count, "tunnel"));
        let expected =
            ["0 tunnels", "1 tunnel", "999 tunnels", "1,000 tunnels", "10,000 tunnels", "1,234,567 tunnels"];
        assert_eq!(texts, expected);
    }
}
