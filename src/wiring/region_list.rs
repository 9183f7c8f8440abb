//! The regions of an account whose regions are `all`, from one discovery to the next.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::target::Region;

/// A region that is missing in this many discoveries in a row is removed.
const MAX_MISSED: u32 = 3;

/// The regions of an account, from its successful discoveries. A failed discovery changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionList {
    /// Each region, and the number of consecutive discoveries in which it was missing.
    missed: BTreeMap<Region, u32>,
}

/// The changes of a discovery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionChange {
    /// The new regions.
    pub added: Vec<Region>,
    /// The regions that were missing three times in a row.
    pub removed: Vec<Region>,
}

impl RegionList {
    /// The regions, sorted by name.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.missed.keys()
    }

    /// Applies the result of a discovery.
    pub fn update(&mut self, found: &BTreeSet<Region>) -> RegionChange {
        let mut change = RegionChange::default();
        self.missed.retain(|region, missed| {
            *missed = if found.contains(region) { 0 } else { *missed + 1 };
            let stays = *missed < MAX_MISSED;
            if !stays {
                change.removed.push(region.clone());
            }
            stays
        });
        change.added = found.iter().filter(|region| !self.missed.contains_key(region)).cloned().collect();
        self.missed.extend(change.added.iter().map(|region| (region.clone(), 0)));
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(names: &[&str]) -> BTreeSet<Region> {
        names.iter().map(|name| Region::new(name).expect("a region")).collect()
    }

    #[test]
    fn missing_region_is_removed_after_three_discoveries() {
        let mut list = RegionList::default();
        let both = regions(&["ap-guangzhou", "eu-frankfurt"]);
        assert_eq!(list.update(&both).added, both.iter().cloned().collect::<Vec<_>>());
        let one = regions(&["ap-guangzhou"]);
        assert_eq!(list.update(&one), RegionChange::default());
        assert_eq!(list.update(&one), RegionChange::default());
        assert_eq!(list.regions().count(), 2);
        let frankfurt = [Region::new("eu-frankfurt").expect("a region")];
        assert_eq!(list.update(&one).removed, frankfurt);
        assert_eq!(list.regions().cloned().collect::<BTreeSet<_>>(), one);
        assert_eq!(list.update(&both).added, frankfurt);
    }

    #[test]
    fn only_misses_in_a_row_count() {
        let mut list = RegionList::default();
        let (both, one) = (regions(&["ap-guangzhou", "eu-frankfurt"]), regions(&["ap-guangzhou"]));
        list.update(&both);
        for found in [&one, &one, &both, &one, &one] {
            assert_eq!(list.update(found), RegionChange::default());
        }
        assert_eq!(list.update(&one).removed.len(), 1);
    }
}
