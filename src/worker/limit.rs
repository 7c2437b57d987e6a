//! How much room contents take that we keep for others: what was fetched, and not what the user gave us.
//!
//! When there is more of it than the user wants, what nobody has asked for longest goes first. What came last stays,
//! however large it is: somebody may be about to take it.

use crate::content::StoreFolder;
use crate::content::tree::Hash;
use crate::request::counted;
use crate::sorted::in_order;
use std::time::SystemTime;

/// A content that was fetched.
struct Fetched {
    touched: Option<SystemTime>,
    size: u64,
    sha256: Hash,
}

/// Removes fetched contents until those that are left have `limit` bytes at most. `contents` are all in the store, with
/// their sizes. Says whether something is gone.
pub(super) fn evict(store: &StoreFolder, contents: impl Iterator<Item = (Hash, u64)>, limit: u64) -> bool {
    let is_fetched = |sha256: &Hash| store.note(sha256).is_none_or(|note| note.name.is_none());
    let fetched = contents.filter(|(sha256, _)| is_fetched(sha256));
    let fetched = fetched.map(|(sha256, size)| Fetched { touched: store.touched(&sha256), size, sha256 });
    let mut fetched = in_order(fetched.collect(), |one, other| one.touched.cmp(&other.touched));
    let mut total = fetched.iter().fold(0_u64, |total, content| total.saturating_add(content.size));
    fetched.pop();
    let mut has_evicted = false;
    for Fetched { size, sha256, .. } in fetched {
        if total <= limit {
            break;
        }
        match store.remove(&sha256) {
            Ok(_) => {
                let path = store.path_of(&sha256);
                log::info!(
                    "removed {} ({}) to stay within the limit of the store",
                    path.display(),
                    counted(size, "byte")
                );
                total -= size;
                has_evicted = true;
            }
            Err(error) => log::warn!("cannot remove {}: {error}", store.path_of(&sha256).display()),
        }
    }
    has_evicted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Ids;
    use std::fs::File;
    use std::io::Write;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn what_was_fetched_and_not_asked_for_longest_goes_and_what_the_user_gave_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let store = StoreFolder::beside(&scratch.path().join("public"));
        // Number, day of the last question, and whether the user gave it; 100 bytes each.
        for (number, day, is_given) in [(1, 5, false), (2, 1, true), (3, 3, false), (4, 4, false)] {
            let mut new = store.create().unwrap();
            new.file.write_all(&[0; 100]).unwrap();
            let ids = Ids { sha256: [number; 32], blake3: [number; 32] };
            new.keep(&store, ids, is_given.then(|| "mine".to_owned())).unwrap();
            let note = File::options().write(true).open(store.path_of(&[number; 32]).with_extension("json")).unwrap();
            note.set_modified(UNIX_EPOCH + Duration::from_secs(day * 86_400)).unwrap();
        }
        let left = |limit: u64| {
            let contents = store.list(9).unwrap().into_iter().map(|(sha256, stamp)| (sha256, stamp.size));
            let has_evicted = evict(&store, contents, limit);
            let mut left: Vec<u8> = store.list(9).unwrap().into_iter().map(|(sha256, _)| sha256[0]).collect();
            left.sort_unstable();
            (has_evicted, left)
        };
        assert_eq!(left(300), (false, vec![1, 2, 3, 4]));
        assert_eq!(left(299), (true, vec![1, 2, 4]));
        store.touch(&[4; 32]);
        assert_eq!(left(100), (true, vec![2, 4]));
        assert_eq!(left(0), (false, vec![2, 4]));
    }
}
