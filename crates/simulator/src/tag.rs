//! The tags of a row.

use fastrand::Rng;
use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: &'static str,
    value: &'static str,
}

impl Tag {
    pub(super) fn draw(rng: &mut Rng) -> Vec<Self> {
        let mut tags =
            vec![Self { key: "env", value: if rng.u8(..4) == 0 { "staging" } else { "production" } }];
        if rng.u8(..5) > 0 {
            let value = rng.choice(["network", "logistics", "retail", "payments"]).expect("choices");
            tags.push(Self { key: "team", value });
        }
        tags
    }
}
