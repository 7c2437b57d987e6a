//! A JSON array in which one bad entry does not spoil the others.
//!
//! The wild drops a whole `Peers` for one address it cannot parse. We skip what we cannot read and use the rest, and
//! stop reading at [`LIST_MAX_ENTRIES`] so that no list costs more than a known amount.

use super::LIST_MAX_ENTRIES;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// The readable entries of an array, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        List(entries.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
        let mut entries = Vec::new();
        while entries.len() < LIST_MAX_ENTRIES {
            match seq.next_element::<&RawValue>()? {
                Some(raw) => entries.extend(serde_json::from_str(raw.get()).ok()),
                None => return Ok(List(entries)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(entries))
    }
}
