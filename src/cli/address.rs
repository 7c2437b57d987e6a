//! Where a command is to go: an address, or the name of a host, which is looked up.
//!
//! Looking up may take as long as the resolver likes, so it is done on a thread that is left behind when it takes too
//! long.

use super::Failure;
use super::probe::now;
use cjp2p_node::event_loop::look_up;
use cjp2p_node::peers::address::plain;
use cjp2p_node::request::{host_name, peer_address};
use cjp2p_node::terminal::printable;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// How long a name may take: a resolver that has lost one datagram asks again after 5 seconds at most.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(6);

/// The pause between two looks at whether it has been found; no person sees the difference.
const PAUSE: Duration = Duration::from_millis(5);

/// Finds out whether `text` can be an address or a name at all, without looking it up.
///
/// # Errors
/// One sentence for the user.
pub(super) fn check(text: &str) -> Result<(), String> {
    match (peer_address(text), host_name(text)) {
        (Err(why), None) => Err(format!("{why}, nor the name of a host")),
        _ => Ok(()),
    }
}

/// The address that `text` is, or those of the host whose name it is; at least one.
pub(super) fn resolve(text: &str) -> Result<Vec<SocketAddr>, Failure> {
    check(text).map_err(Failure::Mistake)?;
    let Some((name, port)) = host_name(text) else {
        return peer_address(text).map(|address| vec![plain(address)]).map_err(Failure::Mistake);
    };
    let (host, deadline) = (name.to_owned(), now() + LOOKUP_PATIENCE);
    // The system looks for as long as it likes: whoever waits no longer leaves the thread behind.
    let run = move || look_up(&host, port);
    let lookup = thread::Builder::new().name("lookup".to_owned()).spawn(run).map_err(Failure::impossible)?;
    while !lookup.is_finished() && now() < deadline {
        thread::park_timeout(PAUSE);
    }
    let shown = printable(name, usize::MAX);
    match lookup.is_finished().then(|| lookup.join()) {
        Some(Ok(Ok(addresses))) => Ok(addresses),
        Some(_) => Err(Failure::Impossible(format!("no host of the name '{shown}' can be found"))),
        None => Err(Failure::Impossible(format!("looking up the host '{shown}' takes too long"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_no_looking_up_and_nonsense_is_not_looked_up() {
        assert_eq!(resolve("192.0.2.1").unwrap(), ["192.0.2.1:24254".parse().unwrap()]);
        assert_eq!(resolve("[::ffff:192.0.2.1]:7000").unwrap(), ["192.0.2.1:7000".parse().unwrap()]);
        for wrong in ["", "no body", "1.2.3", "192.0.2.1:65536", "x..y", ":1", "\u{1b}[2J"] {
            assert!(check(wrong).is_err_and(|why| !why.contains('\u{1b}')), "{wrong}");
            assert!(matches!(resolve(wrong), Err(Failure::Mistake(_))), "{wrong}");
        }
    }

    #[test]
    fn the_name_of_this_host_is_found_with_and_without_port() {
        for (name, port) in [("localhost", 24_254), ("localhost:7000", 7_000)] {
            let found = resolve(name).unwrap();
            assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
            assert!(found.iter().all(|address| address.port() == port), "{found:?}");
        }
    }
}
