//! Who wants a content that is fetched: the user of this node, for its store, or processes that wait for it.
//!
//! A process is told from others by its number. One that was killed is not missed: at worst the content comes although
//! nobody waits for it any more.

/// Processes that wait for a content at most; no script starts more at once.
const WAITERS_MAX: usize = 256;

/// Those who want a content.
#[derive(Default)]
pub(super) struct Wishes {
    is_users: bool,
    waiters: Vec<u32>,
}

impl Wishes {
    /// The process `waiter` wants it too, or the user if there is none. False if there are too many.
    pub(super) fn add(&mut self, waiter: Option<u32>) -> bool {
        let Some(waiter) = waiter else {
            self.is_users = true;
            return true;
        };
        let is_known = self.waiters.contains(&waiter);
        let has_room = self.waiters.len() < WAITERS_MAX;
        if !is_known && has_room {
            self.waiters.push(waiter);
        }
        is_known || has_room
    }

    /// This process does not wait any more.
    pub(super) fn remove(&mut self, waiter: u32) {
        self.waiters.retain(|known| *known != waiter);
    }

    /// Whether nobody wants it any more.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_users && self.waiters.is_empty()
    }

    /// How many processes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_ends_with_the_last_who_has_it() {
        let mut wishes = Wishes::default();
        assert!(wishes.is_empty());
        assert!([1, 2, 1].into_iter().all(|waiter| wishes.add(Some(waiter))));
        assert_eq!(wishes.waiting(), 2);
        wishes.remove(1);
        wishes.remove(1);
        assert!(!wishes.is_empty());
        wishes.remove(2);
        assert!(wishes.is_empty());
        assert!(wishes.add(None) && !wishes.is_empty());
    }

    #[test]
    fn the_number_of_those_who_wait_is_limited() {
        let mut wishes = Wishes::default();
        assert!((0..WAITERS_MAX as u32).all(|waiter| wishes.add(Some(waiter))));
        assert!(!wishes.add(Some(u32::MAX)) && wishes.add(Some(0)) && wishes.add(None));
        assert_eq!(wishes.waiting(), WAITERS_MAX);
    }
}
