//! The standard library's map and set are the model.

use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

fn assert_same(map: &SortedMap<u8, u32>, model: &BTreeMap<u8, u32>) {
    assert!(map.iter().eq(model), "{map:?} is not {model:?}");
    assert!(map.iter().rev().eq(model.iter().rev()));
    assert!(map.keys().eq(model.keys()) && map.values().eq(model.values()));
    assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(map.first_key_value(), model.first_key_value());
}

#[test]
fn a_map_does_what_that_of_the_standard_library_does() {
    let mut rng = StdRng::from_seed([1; 32]);
    for _ in 0..50 {
        let (mut map, mut model) = (SortedMap::new(), BTreeMap::new());
        for step in 0..400 {
            let key: u8 = rng.random_range(0..100);
            match rng.random_range(0..12) {
                0..4 => assert_eq!(map.insert(key, step), model.insert(key, step)),
                4..6 => assert_eq!(map.remove(&key), model.remove(&key)),
                6 => assert_eq!(map.get_or_insert_with(key, || step), model.entry(key).or_insert(step)),
                7 => {
                    assert_eq!(
                        map.get_mut(&key).map(|value| *value += 7),
                        model.get_mut(&key).map(|value| *value += 7)
                    );
                    map.values_mut().next_back().into_iter().for_each(|value| *value += 7);
                    model.values_mut().next_back().into_iter().for_each(|value| *value += 7);
                    map.iter_mut().for_each(|(key, value)| *value += u32::from(*key));
                    model.iter_mut().for_each(|(key, value)| *value += u32::from(*key));
                }
                8 if step % 40 == 0 => {
                    map.retain(|key, value| (u32::from(*key) + *value) % 3 > 0);
                    model.retain(|key, value| (u32::from(*key) + *value) % 3 > 0);
                }
                _ => {
                    let end = rng.random_range(key..=100);
                    assert!(map.range(key..end).eq(model.range(key..end)));
                    assert!(map.range(key..=end).rev().eq(model.range(key..=end).rev()));
                    let after = (Bound::Excluded(key), Bound::Unbounded);
                    assert!(map.range(after).eq(model.range(after)));
                }
            }
            assert_eq!((map.get(&key), map.contains_key(&key)), (model.get(&key), model.contains_key(&key)));
            assert_same(&map, &model);
        }
        assert_eq!(map.clone().into_iter().collect::<Vec<_>>(), model.clone().into_iter().collect::<Vec<_>>());
        let text = serde_json::to_string(&map).unwrap_or_default();
        assert_eq!(Some(&text), serde_json::to_string(&model).ok().as_ref());
        assert_eq!(serde_json::from_str(&text).ok(), Some(map));
    }
}

#[test]
fn a_set_does_what_that_of_the_standard_library_does() {
    let mut rng = StdRng::from_seed([2; 32]);
    for _ in 0..50 {
        let some: Vec<u8> = (0..20).map(|_| rng.random_range(0..100)).collect();
        let mut set: SortedSet<u8> = some.iter().copied().collect();
        let mut model: BTreeSet<u8> = some.into_iter().collect();
        for _ in 0..200 {
            let key = rng.random_range(0..100);
            match rng.random_range(0..8) {
                0..3 => assert_eq!(set.insert(key), model.insert(key)),
                3..6 => assert_eq!(set.remove(&key), model.remove(&key)),
                6 => assert_eq!(set.contains(&key), model.contains(&key)),
                _ => {
                    set.retain(|other| other % 8 != key % 8);
                    model.retain(|other| other % 8 != key % 8);
                }
            }
            assert!(set.iter().eq(&model), "{set:?} is not {model:?}");
            assert!(set.clone().into_iter().eq(model.clone()));
            assert_eq!((set.len(), set.is_empty(), set.first()), (model.len(), model.is_empty(), model.first()));
        }
    }
}

#[test]
fn of_equal_keys_the_last_counts_and_bounds_the_wrong_way_round_hold_nothing() {
    let map: SortedMap<u8, u32> = [(2, 1), (1, 2), (2, 3)].into_iter().collect();
    assert_eq!((map.len(), map[&2], map.get(&3)), (2, 3, None));
    assert_eq!(map.range((Bound::Included(2), Bound::Excluded(1))).count(), 0);
}
