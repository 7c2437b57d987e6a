//! Anti-spoof tokens: those we hand out, and the form in which we keep those we owe to others.
//!
//! A token proves that somebody reads what is sent to an address. Ours are not stored: a token is a keyed hash of the
//! address, recomputed when it comes back, so handing out a million of them costs nothing. Two secrets are in force,
//! the current and the previous one; a token lives between one and two [`ROTATION`]s.
//!
//! The same secrets sign the cookies of our round-trip probes, so that a probe of ours that comes back *as a request*
//! is recognised without remembering it: then we are talking to ourselves, or to somebody who echoes everything.
//!
//! Nothing here decides when a token travels: only a reply or a contact of the node does.

mod voided;

use crate::hash::Key;
use crate::sizes::Size;
use crate::time::Time;
use crate::wire::Text;
use rand::Rng;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use voided::Voided;

/// How long a secret is the current one. Long enough that a quiet neighbour need not be given a new token more than
/// once an hour, short enough that a leaked token is soon worthless.
pub const ROTATION: Duration = Duration::from_secs(3_600);

/// The length of our tokens: 8 characters out of 64 are 48 bits. The smallest request leaves room for 8 characters and
/// one address (see [`crate::budget`]). Two secrets are in force, so one guess in 2^47 is right; with
/// [`CHECKED_MAX`] guesses in each datagram that takes 2^45 datagrams on average, eleven years at 100,000 a second.
pub const TOKEN_CHARS: usize = 8;

/// How many tokens of one kind are checked in one datagram; further ones count as wrong. An honest sender returns one,
/// or two while it is unsure which is the latest; each check costs two hashes, and each is a guess for who forges.
pub const CHECKED_MAX: usize = 4;

/// The longest token of somebody else that we keep and echo, in bytes of JSON. The wild's are 21 to 45.
pub const OWED_MAX_BYTES: usize = 128;

const DOMAIN_TOKEN: u8 = 1;
const DOMAIN_PROBE: u8 = 2;
const DOMAIN_TOKEN_AGAIN: u8 = 3;

/// The text of a token or a probe: 8 characters of the URL-safe base64 alphabet, which JSON needs not escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie([u8; TOKEN_CHARS]);

impl Cookie {
    /// The low 48 bits of `bits` as text.
    fn from_bits(bits: u64) -> Cookie {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = [0; TOKEN_CHARS];
        for (place, byte) in text.iter_mut().enumerate() {
            *byte = ALPHABET[(bits >> (6 * place)) as usize & 63];
        }
        Cookie(text)
    }

    /// The text, as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a returned token is worth; the greater the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// It was handed out before it was asked whether its holder is still there: valid, but no answer to that.
    Doubted,
    /// It was made with the previous secret: valid, but a new one is due.
    Ageing,
    /// It is the token we hand out now.
    Current,
}

/// Makes and recognises our tokens and probes.
#[derive(Debug)]
pub struct Issuer {
    current: Key,
    previous: Key,
    rotated: Time,
    /// Addresses of which other tokens are handed out than at first.
    voided: Voided,
}

impl Issuer {
    /// An issuer with fresh secrets.
    pub fn new(now: Time, rng: &mut impl Rng) -> Issuer {
        Issuer { current: Key::new(rng), previous: Key::new(rng), rotated: now, voided: Voided::default() }
    }

    /// Replaces secrets that have served their time. Call it whenever time has passed.
    pub fn rotate(&mut self, now: Time, rng: &mut impl Rng) {
        let age = now.since(self.rotated);
        if age < ROTATION {
            return;
        }
        // After a long sleep the current secret is too old to become the previous one.
        if age >= 2 * ROTATION {
            self.voided.clear();
        }
        self.previous = if age < 2 * ROTATION { self.current } else { Key::new(rng) };
        self.current = Key::new(rng);
        self.rotated = now;
    }

    pub(crate) fn size(&self) -> Size {
        self.voided.size()
    }

    /// When the current secret came into force. Proof older than this was made with a previous one.
    pub fn rotated(&self) -> Time {
        self.rotated
    }

    /// Our token for an address.
    pub fn token(&self, address: SocketAddr) -> Cookie {
        self.token_of(self.current, address)
    }

    /// Makes all tokens worthless that were handed out for an address; from now on others count. Those whose holder has
    /// moved are not to prove anything to whoever has seen them.
    pub fn void(&mut self, now: Time, address: SocketAddr) {
        self.voided.add(now, address, false);
    }

    /// Hands out new tokens for an address from now on, so that it can be told who answers to what is sent there next.
    /// The last ones before count too, as [`Proof::Doubted`].
    pub fn doubt(&mut self, now: Time, address: SocketAddr) {
        self.voided.add(now, address, true);
    }

    fn token_of(&self, key: Key, address: SocketAddr) -> Cookie {
        numbered(key, address, self.voided.number(address))
    }

    /// What a returned payload proves about the address it came from; `None` if nothing.
    pub fn check(&self, address: SocketAddr, payload: &RawValue) -> Option<Proof> {
        let cookie = cookie_of(payload)?;
        let is_made_with =
            |key: Key, number: Option<u32>| cookie.as_bytes() == numbered(key, address, number).as_bytes();
        let number = self.voided.number(address);
        if is_made_with(self.current, number) {
            return Some(Proof::Current);
        }
        if is_made_with(self.previous, number) {
            return Some(Proof::Ageing);
        }
        let earlier = self.voided.earlier(address)?;
        [self.current, self.previous].iter().any(|key| is_made_with(*key, earlier)).then_some(Proof::Doubted)
    }

    /// A cookie for a round-trip probe: 32 random bits, which nobody guesses who was not sent it, and 16 bits that
    /// show that we made it, enough to take a stranger's for ours once in 65,536 times.
    pub fn probe(&self, rng: &mut impl Rng) -> Cookie {
        signed_probe(self.current, rng.next_u32())
    }

    /// The cookie, if the payload of a probe is one of ours.
    pub fn own_probe(&self, payload: &RawValue) -> Option<Cookie> {
        let cookie = cookie_of(payload)?;
        let text: [u8; TOKEN_CHARS] = cookie.as_bytes().try_into().ok()?;
        let random = random_of(text)?;
        let is_ours = [self.current, self.previous].iter().any(|key| signed_probe(*key, random) == Cookie(text));
        is_ours.then_some(Cookie(text))
    }
}

/// The token for an address that is made with a key, and with a number if the first that it had were not to count on.
fn numbered(key: Key, address: SocketAddr, number: Option<u32>) -> Cookie {
    let bits = key.address(DOMAIN_TOKEN, address);
    Cookie::from_bits(match number {
        None => bits,
        Some(number) => key.parts(DOMAIN_TOKEN_AGAIN, &[&bits.to_le_bytes(), &number.to_le_bytes()]),
    })
}

fn signed_probe(key: Key, random: u32) -> Cookie {
    let signature = key.parts(DOMAIN_PROBE, &[&random.to_le_bytes()]) & 0xffff;
    Cookie::from_bits(signature << 32 | u64::from(random))
}

/// The 32 random bits of a probe.
fn random_of(text: [u8; TOKEN_CHARS]) -> Option<u32> {
    let mut bits = 0_u64;
    for (place, byte) in text.iter().enumerate() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits |= u64::from(six) << (6 * place);
    }
    Some(bits as u32)
}

/// The string in `{"cookie":"…"}`; everything we send has this form, and it comes back with any spacing.
fn cookie_of(payload: &RawValue) -> Option<Text<'_>> {
    #[derive(Deserialize)]
    struct WithCookie<'a> {
        #[serde(borrow)]
        cookie: Text<'a>,
    }
    let text = payload.get();
    // serde would also take an array of the field values, which is nothing we sent.
    let is_object = text.starts_with('{');
    is_object.then(|| serde_json::from_str::<WithCookie<'_>>(text).ok()).flatten().map(|with| with.cookie)
}

/// A token we owe somebody: put into what we send them, as the same JSON value that they sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed(Arc<str>);

impl Owed {
    /// The token in a `PleaseAlwaysReturnThisMessage`; `None` if it is longer than [`OWED_MAX_BYTES`].
    pub fn new(payload: &RawValue) -> Option<Owed> {
        let text = payload.get();
        (text.len() <= OWED_MAX_BYTES).then(|| Owed(text.into()))
    }

    /// One as long as any, to see what fits beside it.
    pub fn longest() -> Owed {
        Owed("0".repeat(OWED_MAX_BYTES).into())
    }

    /// The JSON text to echo.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn returned(cookie: Cookie) -> Box<RawValue> {
        raw(&format!(r#"{{ "cookie" : "{}", "more": 1 }}"#, std::str::from_utf8(cookie.as_bytes()).unwrap()))
    }

    fn hours(hours: u64) -> Time {
        Time::default() + ROTATION * u32::try_from(hours).unwrap()
    }

    #[test]
    fn a_token_is_valid_from_its_own_address_only_and_for_one_to_two_rotations() {
        let mut rng = StdRng::from_seed([1; 32]);
        let mut issuer = Issuer::new(hours(0), &mut rng);
        let here: SocketAddr = "192.0.2.1:24254".parse().unwrap();
        let elsewhere: SocketAddr = "192.0.2.1:24255".parse().unwrap();
        let token = returned(issuer.token(here));
        assert_eq!(issuer.check(here, &token), Some(Proof::Current));
        assert_eq!(issuer.check(elsewhere, &token), None);
        issuer.rotate(hours(1), &mut rng);
        assert_eq!(issuer.check(here, &token), Some(Proof::Ageing));
        issuer.rotate(hours(2), &mut rng);
        assert_eq!(issuer.check(here, &token), None);
    }

    #[test]
    fn tokens_of_an_address_that_was_left_prove_nothing_and_new_ones_do() {
        let mut rng = StdRng::from_seed([5; 32]);
        let mut issuer = Issuer::new(hours(0), &mut rng);
        let [here, other] = ["192.0.2.1:24254", "192.0.2.2:24254"].map(|text| text.parse::<SocketAddr>().unwrap());
        let [old, of_other] = [here, other].map(|address| returned(issuer.token(address)));
        let mut seen = vec![old];
        for _ in 0..3 {
            issuer.void(hours(0), here);
            assert!(seen.iter().all(|token| issuer.check(here, token).is_none()));
            let new = returned(issuer.token(here));
            assert_eq!(issuer.check(here, &new), Some(Proof::Current));
            seen.push(new);
        }
        assert_eq!(issuer.check(other, &of_other), Some(Proof::Current));
        issuer.rotate(hours(1), &mut rng);
        assert_eq!(issuer.check(here, &seen[3]), Some(Proof::Ageing));
        assert!(seen[..3].iter().all(|token| issuer.check(here, token).is_none()));
    }

    #[test]
    fn who_answers_to_a_doubt_is_told_from_who_has_seen_what_was_said_before() {
        let mut rng = StdRng::from_seed([6; 32]);
        let mut issuer = Issuer::new(hours(0), &mut rng);
        let here: SocketAddr = "192.0.2.1:24254".parse().unwrap();
        let mut before = returned(issuer.token(here));
        for _ in 0..3 {
            issuer.doubt(hours(0), here);
            let after = returned(issuer.token(here));
            assert_eq!(issuer.check(here, &before), Some(Proof::Doubted));
            assert_eq!(issuer.check(here, &after), Some(Proof::Current));
            before = after;
        }
        let last = returned(issuer.token(here));
        issuer.rotate(hours(1), &mut rng);
        assert_eq!(issuer.check(here, &last), Some(Proof::Ageing));
        issuer.void(hours(1), here);
        assert!([&before, &last].iter().all(|token| issuer.check(here, token).is_none()));
    }

    #[test]
    fn after_a_sleep_of_two_rotations_no_old_token_is_valid() {
        let mut rng = StdRng::from_seed([2; 32]);
        let mut issuer = Issuer::new(hours(0), &mut rng);
        let here: SocketAddr = "[2001:db8::1]:24254".parse().unwrap();
        let token = returned(issuer.token(here));
        issuer.rotate(hours(2), &mut rng);
        assert_eq!(issuer.check(here, &token), None);
    }

    #[test]
    fn payloads_that_are_no_cookie_of_ours_prove_nothing() {
        let mut rng = StdRng::from_seed([3; 32]);
        let issuer = Issuer::new(hours(0), &mut rng);
        let here: SocketAddr = "192.0.2.1:24254".parse().unwrap();
        for payload in ["null", "42", "[]", "{}", r#""AAAAAAAA""#, r#"{"cookie":7}"#, r#"{"cookie":"ü"}"#] {
            assert_eq!(issuer.check(here, &raw(payload)), None, "{payload}");
            assert_eq!(issuer.own_probe(&raw(payload)), None, "{payload}");
        }
    }

    #[test]
    fn our_own_probes_are_recognised_and_others_are_not() {
        let mut rng = StdRng::from_seed([4; 32]);
        let issuer = Issuer::new(hours(0), &mut rng);
        let stranger = Issuer::new(hours(0), &mut rng);
        let probe = issuer.probe(&mut rng);
        assert_eq!(issuer.own_probe(&returned(probe)), Some(probe));
        assert_eq!(stranger.own_probe(&returned(probe)), None);
    }
}
