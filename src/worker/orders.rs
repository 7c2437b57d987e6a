//! What the worker has been told to do, in the one place where it waits.
//!
//! A newer order replaces an older one of its kind, so nothing can pile up. Nothing is carried out here.

use crate::content::ContentId;
use crate::node::GroupMemory;
use crate::sorted::{SortedMap, SortedSet};
use std::mem;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the worker is to do next; each field holds the newest order of its kind.
#[derive(Default)]
pub(super) struct Orders {
    pub(super) save: Option<Vec<SocketAddr>>,
    /// The text of the file with the names that the user gave to keys.
    pub(super) save_people: Option<String>,
    /// The text of the file about what is kept up to date.
    pub(super) save_followed: Option<String>,
    /// What is remembered of group chat.
    pub(super) save_group: Option<GroupMemory>,
    /// Files that the node found changed; at most [`SHARED_FILES_MAX`](crate::content::SHARED_FILES_MAX), further ones
    /// are found by the next look alone.
    pub(super) look_again: SortedSet<String>,
    /// Look through the folders at once.
    pub(super) look: bool,
    /// What to do about contents that are being fetched. The event loop knows a few at a time.
    pub(super) contents: SortedMap<ContentId, ContentOrders>,
    pub(super) is_stopping: bool,
}

/// What is to be done about one content, in this order; each field holds the newest order of its kind.
#[derive(Default)]
pub(super) struct ContentOrders {
    pub(super) doubt: bool,
    pub(super) discard: bool,
    pub(super) follow: Option<Option<Front>>,
    /// With whether it is left where it came.
    pub(super) settle: Option<(Front, bool)>,
    pub(super) prepare: Option<Duration>,
}

/// How far a content has come from its front on, without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// How long the content is.
    pub size: u64,
    /// So many bytes at the front are there and will not be written again.
    pub bytes: u64,
    /// Another number here means that what was there has been thrown away.
    pub revision: u32,
}

/// Where orders wait.
#[derive(Default)]
pub(super) struct Inbox {
    orders: Mutex<Orders>,
    is_new: Condvar,
}

impl Inbox {
    /// The orders; a panic elsewhere while they were held has not made them less true.
    pub(super) fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.lock());
        self.is_new.notify_one();
    }

    /// Takes what has been ordered so far. An order to stop stays.
    pub(super) fn take(&self) -> Orders {
        let mut orders = self.lock();
        let taken = mem::take(&mut *orders);
        orders.is_stopping = taken.is_stopping;
        taken
    }

    /// Waits until something is ordered, at most for `pause`.
    pub(super) fn wait(&self, pause: Duration) {
        let is_idle = |orders: &mut Orders| {
            let has_names = !orders.look_again.is_empty() || !orders.contents.is_empty();
            let has_texts = orders.save_people.is_some() || orders.save_followed.is_some();
            let has_files = orders.save.is_some() || has_texts || orders.save_group.is_some();
            !orders.is_stopping && !has_files && !orders.look && !has_names
        };
        drop(self.is_new.wait_timeout_while(self.lock(), pause, is_idle));
    }
}
