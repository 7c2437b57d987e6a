//! Bounded queues between threads.
//!
//! They do what those of `std::sync::mpsc` do, with a lock and a condition variable: few things pass here, and each
//! kind of those adds eight kilobytes to the program, each kind of these one. There is no queue without a limit:
//! whoever is faster than the other end waits, or is told.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue for `most` items; at least one.
pub fn queue<T>(most: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), most: most.max(1), senders: 1, is_taken: true };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(shared.clone()), Receiver(shared))
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    most: usize,
    senders: usize,
    /// Whether there is somebody who takes items out.
    is_taken: bool,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    /// Whoever panicked here has left nothing half done.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as `is_early` says so.
    fn wait(&self, is_early: impl Fn(&State<T>) -> bool) -> MutexGuard<'_, State<T>> {
        let state = self.changed.wait_while(self.lock(), |state| is_early(state));
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that things go into. The queue ends with the last of them.
#[derive(Debug)]
pub struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Adds an item, when there is room.
    ///
    /// # Errors
    /// The item, if nobody takes any more.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.0.wait(|state| state.is_taken && state.items.len() >= state.most);
        self.add(&mut state, item)
    }

    /// Adds an item if there is room now.
    ///
    /// # Errors
    /// The item.
    pub fn try_push(&self, item: T) -> Result<(), T> {
        let mut state = self.0.lock();
        if state.items.len() >= state.most {
            return Err(item);
        }
        self.add(&mut state, item)
    }

    fn add(&self, state: &mut State<T>, item: T) -> Result<(), T> {
        if !state.is_taken {
            return Err(item);
        }
        state.items.push_back(item);
        self.0.changed.notify_all();
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.changed.notify_all();
    }
}

/// The end that things come out of, the oldest first. What nobody will take goes with it.
#[derive(Debug)]
pub struct Receiver<T>(Arc<Shared<T>>);

/// Why nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// There is nobody any more from whom it could come.
    Ever,
    /// It did not come in time.
    Yet,
}

impl<T> Receiver<T> {
    /// The next item, if there is one now.
    pub fn try_pop(&self) -> Option<T> {
        self.take(&mut self.0.lock())
    }

    /// The next item, when it comes; `None` if none can come any more.
    pub fn pop(&self) -> Option<T> {
        self.take(&mut self.0.wait(|state| state.items.is_empty() && state.senders > 0))
    }

    /// The next item, if it comes within this time.
    ///
    /// # Errors
    /// Whether it can come later.
    pub fn pop_within(&self, patience: Duration) -> Result<T, Nothing> {
        let is_early = |state: &mut State<T>| state.items.is_empty() && state.senders > 0;
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), patience, is_early);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let why = if state.senders == 0 { Nothing::Ever } else { Nothing::Yet };
        self.take(&mut state).ok_or(why)
    }

    fn take(&self, state: &mut State<T>) -> Option<T> {
        let item = state.items.pop_front()?;
        self.0.changed.notify_all();
        Some(item)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_taken = false;
        // What they hold may be the end of another queue, so they go when this one is free again.
        let items = std::mem::take(&mut state.items);
        drop(state);
        self.0.changed.notify_all();
        drop(items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Longer than any of this takes, however busy the machine is.
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn everything_comes_out_once_and_in_order_though_the_queue_is_short() {
        let (sender, receiver) = queue(3);
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let sender = sender.clone();
                thread::spawn(move || (0..1_000).for_each(|n| sender.push((thread, n)).unwrap()))
            })
            .collect();
        drop(sender);
        let mut next = [0; 4];
        while let Some((thread, n)) = receiver.pop() {
            assert_eq!(std::mem::replace(&mut next[thread], n + 1), n);
        }
        assert_eq!(next, [1_000; 4]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn who_cannot_wait_is_told_that_there_is_no_room_and_gets_the_item_back() {
        let (sender, receiver) = queue(2);
        assert_eq!([1, 2, 3].map(|n| sender.try_push(n)), [Ok(()), Ok(()), Err(3)]);
        assert_eq!(receiver.try_pop(), Some(1));
        assert_eq!(sender.try_push(3), Ok(()));
        assert_eq!([receiver.try_pop(), receiver.try_pop(), receiver.try_pop()], [Some(2), Some(3), None]);
    }

    #[test]
    fn who_waits_for_room_is_let_go_when_nobody_takes_any_more() {
        let (sender, receiver) = queue(1);
        sender.push(1).unwrap();
        let waiting = thread::spawn(move || (sender.push(2), sender.try_push(3)));
        drop(receiver);
        assert_eq!(waiting.join().unwrap(), (Err(2), Err(3)));
    }

    #[test]
    fn who_waits_for_something_is_let_go_when_nothing_can_come_and_when_time_is_up() {
        let (sender, receiver) = queue::<u8>(1);
        assert_eq!(receiver.pop_within(Duration::from_millis(1)), Err(Nothing::Yet));
        let last = thread::spawn(move || sender.push(7));
        assert_eq!(receiver.pop_within(LONG), Ok(7));
        last.join().unwrap().unwrap();
        assert_eq!((receiver.pop(), receiver.try_pop()), (None, None));
        assert_eq!(receiver.pop_within(LONG), Err(Nothing::Ever));
    }
}
