//! Fixed pseudo-random numbers: the same in every run and with every version of Rust.

/// Hashes a text (FNV-1a).
pub(super) fn of(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A number from 0 to 1 for an object, a purpose and a moment.
pub(super) fn fraction(seed: u64, purpose: &str, moment: u64) -> f64 {
    // The top 53 bits: as many as an `f64` can hold.
    (mix(seed ^ mix(of(purpose) ^ mix(moment))) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Spreads small differences over all bits (the finalizer of `SplitMix64`).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_of_a_text_never_changes() {
        // From the published test vectors of FNV-1a.
        assert_eq!(of(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(of("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn fractions_are_spread_evenly() {
        let mut tenths = [0; 10];
        for moment in 0..10_000 {
            let fraction = fraction(of("vpnx-f49l6u0z"), "out", moment * 60);
            let tenth = (0..10).rev().find(|tenth| fraction >= f64::from(*tenth) / 10.0).expect("at least 0");
            tenths[usize::try_from(tenth).expect("a small number")] += 1;
        }
        assert!(tenths.iter().all(|count| (900..1100).contains(count)), "{tenths:?}");
    }
}
