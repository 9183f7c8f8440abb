//! The share of the targets that this process polls.

use sha2::{Digest, Sha256};

use super::target::Target;

/// One of several processes that share the targets without communication.
///
/// Each target belongs to the shard with the largest hash of shard and target (rendezvous hashing). Adding a shard moves
/// targets only to the new shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// The only process.
    pub const SOLE: Self = Self { index: 0, count: 1 };

    /// Shard `index`, counted from 0, of `count`; `None` if there is no such shard.
    #[must_use]
    pub fn new(index: u32, count: u32) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// The index of this shard, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// The number of shards.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether this shard polls the target.
    #[must_use]
    pub fn owns(self, target: &Target) -> bool {
        (0..self.count).max_by_key(|&shard| weight(target, shard)) == Some(self.index)
    }
}

/// The same on every machine and in every version, because shards are upgraded one after another.
fn weight(target: &Target, shard: u32) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in [target.account.as_str(), target.region.as_str()] {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
    }
    hash.update(shard.to_be_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::target::{AccountName, Region};

    fn targets() -> Vec<Target> {
        let accounts = (0..50).map(|number| AccountName::new(&format!("account-{number}")).expect("a name"));
        let targets = accounts.flat_map(|account| {
            (0..20).map(move |number| {
                let region = Region::new(&format!("ap-region-{number}")).expect("a region");
                Target { account: account.clone(), region }
            })
        });
        targets.collect()
    }

    fn owner(target: &Target, count: u32) -> u32 {
        let owners: Vec<u32> =
            (0..count).filter(|&index| Shard::new(index, count).expect("a shard").owns(target)).collect();
        assert_eq!(owners.len(), 1, "{target} has exactly one owner");
        owners[0]
    }

    #[test]
    fn three_shards_divide_targets_evenly() {
        let mut shares = [0; 3];
        for target in targets() {
            shares[owner(&target, 3) as usize] += 1;
        }
        assert!(shares.iter().all(|share| (280..390).contains(share)), "{shares:?}");
    }

    #[test]
    fn fourth_shard_moves_only_its_own_share() {
        let moved: Vec<_> =
            targets().into_iter().filter(|target| owner(target, 3) != owner(target, 4)).collect();
        assert!(moved.iter().all(|target| owner(target, 4) == 3), "what moves, moves to the new shard");
        assert!((200..300).contains(&moved.len()), "{} of 1000 moved", moved.len());
    }

    #[test]
    fn a_sole_process_polls_everything() {
        assert!(targets().iter().all(|target| Shard::SOLE.owns(target)));
        assert_eq!(Shard::new(3, 3), None);
    }
}
