//! What comes after the name of a command: ids, keys, names, seconds, text.
//!
//! A mistake is one sentence that names it. Whose key a name means, only the address book knows.

use super::address::{ip_address, peer_address};
use super::{
    GET_PATIENCE, GET_PATIENCE_MAX_SECONDS, MAIN_GROUP, Request, content_id, group_name, is_title, mistake,
    typed_title, wanted_id,
};
use crate::content::ContentId;
use crate::wire::PORT;
use std::net::IpAddr;
use std::time::Duration;

pub(super) fn none(rest: &str, request: Request) -> Result<Request, String> {
    if rest.is_empty() { Ok(request) } else { Err(format!("takes nothing, so what is '{}'?", mistake(rest))) }
}

/// An id, and perhaps after how many seconds to give up, and the process that waits.
pub(super) fn get(rest: &str) -> Result<Request, String> {
    if is_title(rest) {
        return typed_title(rest).map(|title| Request::Seek { title, patience: GET_PATIENCE });
    }
    let mut words = rest.split_whitespace();
    let id = wanted_id(words.next().unwrap_or_default())?;
    let patience = match words.next() {
        None => GET_PATIENCE,
        Some(seconds) => patience(seconds)?,
    };
    Ok(Request::Get { id, patience, waiter: waiter(words)? })
}

/// After how many seconds to give up.
fn patience(seconds: &str) -> Result<Duration, String> {
    let number = seconds.parse().ok().filter(|seconds| (1..=GET_PATIENCE_MAX_SECONDS).contains(seconds));
    number.map(Duration::from_secs).ok_or_else(|| {
        let seconds = mistake(seconds);
        format!("'{seconds}' is no number of seconds from 1 to {GET_PATIENCE_MAX_SECONDS} after which to give up")
    })
}

/// After how many seconds to give up, and a name, which may have spaces.
pub(super) fn seek(rest: &str) -> Result<Request, String> {
    let (seconds, name) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Ok(Request::Seek { patience: patience(seconds)?, title: typed_title(name.trim_start())? })
}

/// An id, and perhaps the process that waits.
pub(super) fn id_and_waiter(rest: &str) -> Result<(ContentId, Option<u32>), String> {
    let mut words = rest.split_whitespace();
    let id = content_id(words.next().unwrap_or_default())?;
    Ok((id, waiter(words)?))
}

/// The number of a process, and nothing behind it.
fn waiter<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Option<u32>, String> {
    let waiter = words.next().map(|word| word.parse().map_err(|_| word)).transpose();
    match (waiter, words.next()) {
        (Ok(waiter), None) => Ok(waiter),
        (Err(word), _) | (Ok(_), Some(word)) => Err(format!("what is '{}'?", mistake(word))),
    }
}

pub(super) fn message(rest: &str) -> Result<Request, String> {
    let (to, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("say what to whom, like /msg alice hello, or /msg 192.0.2.1:{PORT} hello"));
    }
    let text = text.to_owned();
    match peer_address(to) {
        Ok(address) => Ok(Request::Message(address, text)),
        // Neither a key nor a name has a colon in it, nor only digits and dots, unless it is a key.
        Err(why) if to.contains([':', '[']) || to.contains('.') && to.bytes().all(is_of_ip) => Err(why),
        Err(_) => Ok(Request::Write { to: to.to_owned(), text }),
    }
}

/// Whether an IPv4 address may have this.
fn is_of_ip(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// A key and what to call it; neither to see all names.
pub(super) fn name(rest: &str) -> Result<Request, String> {
    let mut words = rest.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Ok(Request::People),
        (Some(key), Some(name), None) => Ok(Request::NamePerson { key: key.to_owned(), name: name.to_owned() }),
        (Some(_), None, _) => Err("call whom what, like /name KEY alice".to_owned()),
        (Some(_), Some(_), Some(word)) => Err(format!("a name is one word, so what is '{}'?", mistake(word))),
    }
}

/// One word that stands for a key; whose it is, the address book knows.
pub(super) fn key(rest: &str) -> Result<String, String> {
    match rest.split_once(char::is_whitespace) {
        None => Ok(rest.to_owned()),
        Some((_, more)) => Err(format!("takes one key, so what is '{}'?", mistake(more))),
    }
}

pub(super) fn say(rest: &str) -> Result<Request, String> {
    let (group, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("say what in which group, like /say {MAIN_GROUP} hello"));
    }
    Ok(Request::Say { group: group_name(group)?, text: text.to_owned() })
}

/// An IP address, or one word that stands for a key.
pub(super) fn host_or_author(
    rest: &str,
    host: fn(IpAddr) -> Request,
    author: fn(String) -> Request,
) -> Result<Request, String> {
    // Names have no dots and no colons, and keys neither.
    if rest.contains(['.', ':']) { ip_address(rest).map(host) } else { key(rest).map(author) }
}
