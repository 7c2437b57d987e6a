//! Looking up the names of hosts, on a thread that may wait for a resolver as long as it likes.
//!
//! A node may be started before there is a network, so a name that cannot be found is no reason to stop: it is looked
//! up again until it is found. What a name stands for is taken once; later the addresses are remembered like all
//! others.

use crate::peers::address::plain;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

/// How many addresses of one name are tried: two families, and a spare of each.
const ADDRESSES_MAX: usize = 4;

/// The pause before what was not found is looked up again: nobody who plugs in a cable waits longer than a minute, and
/// a resolver does not notice one question in that time.
pub(super) const PAUSE: Duration = Duration::from_secs(60);

/// The name of a host, and the port of the peer there.
pub type HostName = (String, u16);

/// Asks the system's resolver for the addresses of a host, which may take long. At least one is returned.
///
/// # Errors
/// If there is no host of that name, or nobody who can say.
pub fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = (name, port).to_socket_addrs()?.map(plain).collect();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
}

/// Looks up names on a thread of its own until each has been found, with a pause after each round, and delivers each
/// with its addresses; `deliver` may wait, and says [`ControlFlow::Break`] when nobody listens any more.
///
/// # Errors
/// If the system cannot start a thread.
pub(super) fn start(
    names: Vec<HostName>,
    pause: Duration,
    look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    deliver: impl Fn(HostName, Vec<SocketAddr>) -> ControlFlow<()> + Send + 'static,
) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    // Whether anybody still listens is known to the thread, and nobody else wants to know.
    let run = move || _ = look_up_all(names, pause, &look_up, &deliver);
    thread::Builder::new().name("lookup".to_owned()).spawn(run).map(drop)
}

fn look_up_all(
    mut names: Vec<HostName>,
    pause: Duration,
    look_up: &impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>>,
    deliver: &impl Fn(HostName, Vec<SocketAddr>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut is_first = true;
    loop {
        let mut missing = Vec::new();
        for (name, port) in names {
            match look_up(&name, port) {
                Ok(addresses) => deliver((name, port), addresses)?,
                Err(error) => {
                    // Once is enough; the user can do nothing about it but wait.
                    if is_first {
                        log::warn!("no host of the name '{name}' can be found, it is looked up again: {error}");
                    }
                    missing.push((name, port));
                }
            }
        }
        if missing.is_empty() {
            return ControlFlow::Continue(());
        }
        (names, is_first) = (missing, false);
        #[expect(clippy::disallowed_methods, reason = "this thread does nothing but wait for the resolver")]
        thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// No real resolver: `early` is found at once, `late` at the third look, `never` not at all.
    fn resolver() -> impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + 'static {
        let looks = std::cell::Cell::new(0);
        move |name, port| {
            looks.set(looks.get() + usize::from(name == "late"));
            match (name, looks.get()) {
                ("early", _) => Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))]),
                ("late", 3) => Ok([2, 3].map(|n| SocketAddr::from(([192, 0, 2, n], port))).to_vec()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    fn names(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|name| ((*name).to_owned(), 7_000)).collect()
    }

    #[test]
    fn names_are_looked_up_until_each_is_found_and_none_waits_for_another() {
        let (sender, found) = mpsc::channel();
        let deliver = move |(name, _): HostName, addresses| {
            sender.send((name, addresses)).unwrap();
            ControlFlow::Continue(())
        };
        start(names(&["late", "early"]), Duration::from_millis(5), resolver(), deliver).unwrap();
        // The channel ends when the thread does.
        let found: Vec<(String, String)> =
            found.iter().map(|(name, addresses)| (name, format!("{addresses:?}"))).collect();
        let expected = [("early", "[192.0.2.1:7000]"), ("late", "[192.0.2.2:7000, 192.0.2.3:7000]")];
        assert_eq!(found, expected.map(|(name, addresses)| (name.to_owned(), addresses.to_owned())));
    }

    #[test]
    fn the_thread_ends_when_nobody_listens_any_more() {
        let (sender, found) = mpsc::channel();
        let deliver = move |host: HostName, _| {
            sender.send(host).unwrap();
            ControlFlow::Break(())
        };
        start(names(&["never", "early", "early"]), Duration::from_secs(3_600), resolver(), deliver).unwrap();
        assert_eq!(found.iter().count(), 1);
    }
}
