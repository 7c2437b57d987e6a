//! `send`: one array of messages to one node, as it was typed, and the answers as they come.
//!
//! A node keeps its answers small for strangers. When an answer asks for a token the array is sent once more, with the
//! token, as the node's own peers would do.

use super::options::Arguments;
use super::probe::{Probe, now, token};
use super::{Failure, say};
use cjp2p_node::request::decimal;
use cjp2p_node::sorted::SortedMap;
use cjp2p_node::terminal::{printable, printable_json};
use cjp2p_node::wire::DATAGRAM_MAX_BYTES;
use serde::Serialize;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::time::Duration;

/// How long answers are waited for, unless the user says otherwise.
const WAIT: Duration = Duration::from_secs(2);

/// A datagram, for scripts.
#[derive(Serialize)]
struct Received<'a> {
    from: SocketAddr,
    ms: f64,
    /// The array; null if it was none.
    messages: Option<&'a RawValue>,
    /// What came instead of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Sends `array` to the node at `address` and prints what comes back.
pub(super) fn send(arguments: &Arguments, address: &str, array: &str) -> Result<(), Failure> {
    check(array).map_err(Failure::Mistake)?;
    let mut probe = Probe::open(arguments, address)?;
    let peer = probe.peer;
    let wait = arguments.wait.unwrap_or(WAIT);
    let mut sent = now();
    probe.send(array.as_bytes())?;
    let mut deadline = sent + wait;
    let (mut is_answered, mut has_returned_token) = (false, false);
    while now() < deadline {
        let Some(datagram) = probe.receive(deadline)? else { continue };
        let elapsed = now().saturating_duration_since(sent);
        let asked = token(datagram);
        say(&describe(peer, elapsed, datagram, arguments.json))?;
        is_answered = true;
        if let Some(token) = asked.filter(|_| !has_returned_token) {
            has_returned_token = true;
            sent = now();
            probe.send(with_token(array, &token).as_bytes())?;
            deadline = sent + wait;
        }
    }
    if is_answered { Ok(()) } else { Err(Failure::Impossible(format!("no answer from {peer}"))) }
}

/// One line about a datagram.
fn describe(from: SocketAddr, elapsed: Duration, datagram: &[u8], is_json: bool) -> String {
    let ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
    let text = String::from_utf8_lossy(datagram);
    if !is_json {
        return format!("{from} ({} ms): {}", decimal(ms, 3), printable(&text, DATAGRAM_MAX_BYTES));
    }
    let safe = printable_json(&text);
    let messages = serde_json::from_str::<&RawValue>(&safe).ok().filter(|raw| raw.get().starts_with('['));
    let text = messages.is_none().then(|| text.into_owned());
    // Numbers and strings always have a JSON form.
    printable_json(&serde_json::to_string(&Received { from, ms, messages, text }).unwrap_or_default())
}

/// Finds out whether `text` is something that a node would read.
fn check(text: &str) -> Result<(), String> {
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        let what = if error.is_eof() { "it ends too soon" } else { "it is no JSON" };
        return Err(format!("'{}': {what}, see line {} column {}", shown(text), error.line(), error.column()));
    }
    let elements: Result<Vec<SortedMap<String, &RawValue>>, _> = serde_json::from_str(text);
    if !elements.is_ok_and(|elements| elements.iter().all(|element| element.len() == 1)) {
        return Err(format!(
            "'{}' is not an array of one-key objects like [{{\"PleaseSendPeers\":{{}}}}]",
            shown(text)
        ));
    }
    if text.len() > DATAGRAM_MAX_BYTES {
        return Err(format!("the array has {} bytes, a datagram has at most {DATAGRAM_MAX_BYTES}", text.len()));
    }
    Ok(())
}

/// As much of what was typed as a mistake needs.
fn shown(text: &str) -> String {
    printable(text, 60)
}

/// The same array with the token added: what was typed stays as it was typed.
fn with_token(array: &str, token: &RawValue) -> String {
    let open = array.trim_end().strip_suffix(']').unwrap_or(array);
    let comma = if open.trim_end().ends_with('[') { "" } else { "," };
    format!("{open}{comma}{{\"AlwaysReturned\":{}}}]", token.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arrays_of_one_key_objects_are_sent() {
        for good in ["[]", " [{\"A\":{}}, {\"B\":7}] ", "[{\"\":null}]"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "x", "{}", "[1]", "[{}]", "[{\"A\":1,\"B\":2}]", "[{\"A\":1}", "[{\"A\":1}]]", "[\u{1b}]"] {
            assert!(check(bad).is_err_and(|why| !why.contains(['\n', '\u{1b}'])), "{bad}");
        }
        for (bad, place) in
            [("[{\"A\":1}\n,]", "line 2 column 2"), ("[{\"A\":{}", "ends too soon"), ("[{A:{}}]", "column 3")]
        {
            assert!(check(bad).is_err_and(|why| why.contains(place)), "{bad}: {:?}", check(bad));
        }
        assert!(check(&format!("[{{\"A\":\"{}\"}}]", "x".repeat(65_507))).is_err());
    }

    #[test]
    fn the_token_is_added_as_it_came() {
        let token = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(with_token("[]", &token("7")), "[{\"AlwaysReturned\":7}]");
        assert_eq!(
            with_token(" [ {\"A\":[1.0]} ] \n", &token("{\"cookie\": \"x\"}")),
            " [ {\"A\":[1.0]} ,{\"AlwaysReturned\":{\"cookie\": \"x\"}}]"
        );
        assert_eq!(check(&with_token("[ ]", &token("[]"))), Ok(()));
    }

    #[test]
    fn a_datagram_is_one_safe_line_of_text_or_of_json() {
        let from = "192.0.2.1:7".parse().unwrap();
        let elapsed = Duration::from_micros(1_234);
        for datagram in [&b"[{\"A\":\n\"\xe2\x80\xae\x7f\"}]"[..], b"\x1b[2J\nx", b"\xff", b"", b"{}"] {
            for is_json in [false, true] {
                let line = describe(from, elapsed, datagram, is_json);
                assert!(!line.contains(['\n', '\u{1b}', '\u{202e}', '\u{7f}']), "{line:?}");
                assert!(!is_json || serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
            }
        }
        assert_eq!(
            describe(from, elapsed, b"[{\"A\":1}]", true),
            r#"{"from":"192.0.2.1:7","ms":1.234,"messages":[{"A":1}]}"#
        );
        assert_eq!(describe(from, elapsed, b"[{\"A\":1}]", false), r#"192.0.2.1:7 (1.234 ms): [{"A":1}]"#);
    }
}
