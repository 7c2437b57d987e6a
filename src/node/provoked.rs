//! What a datagram of one can make us send to another, and how much of it: all such limits in one place.
//!
//! Anybody can forge a source, name an address, or ask to be introduced, and each makes us write to somebody who did
//! not ask. So whatever is sent for such a reason asks [`Provoked::may_provoke`] first, and that knows two bounds for
//! each kind: one for the recipient, whoever and however many provoke it, and one for all recipients together.
//!
//! | kind | how it is provoked | what the recipient gets | one recipient | all together |
//! | --- | --- | --- | --- | --- |
//! | [`Kind::Contact`] | it was named, or its address forged | a first contact, tried again | 5 in a minute, 12 in an hour; its host 16, then 1 in 60 s; its /24 or /48 64, then 1 in 5 s | 16, then 10 in 1 s |
//! | [`Kind::Wish`] | the user named it | the same | 5 in a minute, 12 in an hour | shared with `Contact` |
//! | [`Kind::Knock`] | a stranger gave us its token | a `Contact` | 3, then 1 in 520 s; and as `Token`, shared with it | 16, then 4 in 1 s |
//! | [`Kind::Follow`] | it was introduced, and we need nobody | a `Contact` or a `Trial` | as those | 8, then 1 in 2 s |
//! | [`Kind::Trial`] | a peer was named | up to 3 probes | 2, then 1 in 60 s | 8, then 1 in 1 s |
//! | [`Kind::Introduction`] | an asker was told of a peer | the asker's address | 8, then 1 in 10 s | 32, then 8 in 1 s |
//! | [`Kind::Token`] | a peer, or one we try, seems to have changed its token | a probe with tokens, or a `Contact` | 1 in 5 s, a neighbour on an account of its own | 16, then 4 in 1 s |
//! | [`Kind::Question`] | news made us look for peers again | a `PleaseSendPeers` | 8, then 1 in 5 s | 8, then 1 in 1 s |
//! | [`Kind::Doubt`] | a newcomer found no room in our table | 3 probes | 1 in 5 minutes | 8, then 1 in 1 s; 1 in 5 s for the newcomers of one network |
//! | [`Kind::Hint`] | who was asked for a stream named a peer that may have it | a question for the stream | 4, then 1 in 5 s | 16, then 4 in 1 s |
//! | [`Kind::Claim`] | somebody proved elsewhere the key that lives there, or proved it worse than is known | a `WhereAreThey` with tokens | 4, then 1 in 1 s | 64, then 50 in 1 s |
//!
//! Answers are not here: they go to whoever asked, within [`crate::budget`] unless it is verified. Neither is what our
//! own timers do at their own pace, whatever arrives: probing neighbours, calling into the local network, and trying
//! at most three known peers in one look, of which each becomes a neighbour or is forgotten.

use crate::hash::Key;
use crate::identity::claims::{ASKED_MAX, CLAIMS_MAX};
use crate::peers::contacts::Contacts;
use crate::rate::{Limiter, Rate};
use crate::sizes::{Size, no_table};
use crate::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// Limits of single recipients, for each kind; those that collide share one, which makes us more reserved. 88 KiB. At
/// the full pace of all kinds some 200 of them are in use at a time. Each kind has its own, because what one sends
/// twice in two minutes would keep another, which sends once a second, waiting for as long.
pub(super) const RECIPIENTS: usize = 1_024;

/// First contacts: a look at many names at once, then ten a second, which is 1 KB a second.
const CONTACT_ALL: Rate = Rate { burst: 16, interval: Duration::from_millis(100) };

/// Strangers who knock with nothing but their token: rarer than contacts, so that they never use those up.
const KNOCK_ALL: Rate = Rate { burst: 16, interval: Duration::from_millis(250) };

/// What introductions, and strangers whose handshake is incomplete, make a settled node undertake.
const FOLLOW_ALL: Rate = Rate { burst: 8, interval: Duration::from_secs(2) };

/// Known peers that are tried as neighbours because somebody named them: one more than the six neighbours we want, and
/// one again.
const TRIAL_ALL: Rate = Rate { burst: 8, interval: Duration::from_secs(1) };

/// A peer that failed a trial is forgotten and one that passed it is a neighbour; it is let go of after half a minute
/// at the earliest.
const TRIAL_ONE: Rate = Rate { burst: 2, interval: Duration::from_secs(60) };

/// Introductions that we make: four for each of the two askers that a busy node has in a second.
const INTRODUCTION_ALL: Rate = Rate { burst: 32, interval: Duration::from_millis(125) };

/// A peer that many newcomers are told of is told of two askers' worth of introductions at once, and then no more often
/// than an asker is introduced.
const INTRODUCTION_ONE: Rate = Rate { burst: 8, interval: Duration::from_secs(10) };

/// As many peers may restart at once as strangers may knock.
const TOKEN_ALL: Rate = Rate { burst: 16, interval: Duration::from_millis(250) };

/// Who keeps changing its token is written to no more often than this, whether it is a peer, is tried, or knocks:
/// anybody can do that in its name, before we have forgotten it and after.
pub(super) const TOKEN_ONE: Rate = Rate { burst: 1, interval: Duration::from_secs(5) };

/// A node looks for peers no more often than once a second.
const QUESTION_ALL: Rate = Rate { burst: 8, interval: Duration::from_secs(1) };

/// While a swarm grows its only known peer has news every second, and a question may get lost; later news keeps.
const QUESTION_ONE: Rate = Rate { burst: 8, interval: Duration::from_secs(5) };

/// Each doubt is a look at the whole table, which takes up to a millisecond.
const DOUBT_ALL: Rate = Rate { burst: 8, interval: Duration::from_secs(1) };

/// A doubt is settled by three probes within six seconds. This bound is not the recipient's but that of the newcomers,
/// by network, so that those of one that is full for good do not use up what is meant for all. The recipient has been
/// silent for [`crate::peers::SILENT_AFTER`]; now it is forgotten, or has been heard and is left alone as long again.
const DOUBT_ONE: Rate = Rate { burst: 1, interval: Duration::from_secs(5) };

/// As many as claims can be open (see [`crate::identity::claims::CLAIMS_MAX`]), and then as many as decide about twelve
/// claims a second: 20 KB/s, and a sixth of a hundredth of a core for our signatures. Who has a few hosts and many keys
/// can make so many for fun, and whoever moves in earnest is to be asked after all the same.
const CLAIM_ALL: Rate = Rate { burst: CLAIMS_MAX as u32, interval: Duration::from_millis(20) };

/// The questions about one claim, and then one a second, whoever makes claims.
const CLAIM_ONE: Rate = Rate { burst: ASKED_MAX as u32, interval: Duration::from_secs(1) };

/// What those are asked for a stream who were said to have it: a round of our own to eight peers, twice, and then about
/// as many as strangers who knock.
const HINT_ALL: Rate = Rate { burst: 16, interval: Duration::from_millis(250) };

/// A question or its answer may be lost; three tries more are enough to find that somebody does not answer.
const HINT_ONE: Rate = Rate { burst: 4, interval: Duration::from_secs(5) };

/// Why somebody is written to who did not ask; the table above says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Contact,
    Wish,
    Knock,
    Follow,
    Trial,
    Introduction,
    Token,
    Question,
    Doubt,
    Hint,
    Claim,
}

/// How many kinds there are.
const KINDS: usize = Kind::Claim as usize + 1;

impl Kind {
    /// What may go out to all recipients together.
    fn all(self) -> Rate {
        match self {
            Kind::Contact | Kind::Wish => CONTACT_ALL,
            Kind::Knock => KNOCK_ALL,
            Kind::Follow => FOLLOW_ALL,
            Kind::Trial => TRIAL_ALL,
            Kind::Introduction => INTRODUCTION_ALL,
            Kind::Token => TOKEN_ALL,
            Kind::Question => QUESTION_ALL,
            Kind::Doubt => DOUBT_ALL,
            Kind::Hint => HINT_ALL,
            Kind::Claim => CLAIM_ALL,
        }
    }

    /// What one recipient may be sent, besides what [`Contacts`] decide.
    fn one(self) -> Option<Rate> {
        match self {
            Kind::Contact | Kind::Wish | Kind::Follow => None,
            Kind::Trial => Some(TRIAL_ONE),
            Kind::Introduction => Some(INTRODUCTION_ONE),
            Kind::Knock | Kind::Token => Some(TOKEN_ONE),
            Kind::Question => Some(QUESTION_ONE),
            Kind::Doubt => Some(DOUBT_ONE),
            Kind::Hint => Some(HINT_ONE),
            Kind::Claim => Some(CLAIM_ONE),
        }
    }

    /// The place of its common limit: a wish and a contact are the same thing on the wire.
    fn place(self) -> usize {
        if self == Kind::Wish { Kind::Contact as usize } else { self as usize }
    }

    /// Which limit of a recipient it uses: a knock and a changed token are the same thing to whoever forges them.
    fn domain(self) -> u8 {
        if self == Kind::Knock { Kind::Token as u8 } else { self as u8 }
    }
}

/// What was provoked so far.
#[derive(Debug)]
pub(super) struct Provoked {
    key: Key,
    all: [Limiter; KINDS],
    recipients: Vec<Limiter>,
    /// The accounts of addresses that have not answered.
    pub(super) contacts: Contacts,
}

impl Provoked {
    /// Nothing yet.
    pub(super) fn new(key: Key, contacts: Contacts) -> Provoked {
        Provoked { key, all: Default::default(), recipients: vec![Limiter::default(); KINDS * RECIPIENTS], contacts }
    }

    /// How large the fixed tables are.
    pub(super) fn sizes(&self) -> impl Iterator<Item = Size> {
        let Provoked { key, all, recipients, contacts } = self;
        no_table(key);
        no_table(all);
        let own = [Size::new("limits of recipients", recipients.len(), KINDS * RECIPIENTS)];
        own.into_iter().chain(contacts.sizes())
    }

    /// Whether something of this kind may be sent to a recipient now; if so, it is counted. A refused one counts
    /// nowhere, so that a crowd of attempts at one recipient uses up nothing of the others'.
    pub(super) fn may_provoke(&mut self, now: Time, kind: Kind, to: SocketAddr) -> bool {
        let hash = self.key.address(kind.domain(), to) as usize;
        let recipient = usize::from(kind.domain()) * RECIPIENTS + hash % RECIPIENTS;
        let is_within = match kind {
            Kind::Contact | Kind::Wish => self.contacts.may_contact(now, to),
            Kind::Knock => self.contacts.may_answer_knock(now, to),
            _ => true,
        };
        let is_within = is_within && kind.one().is_none_or(|rate| self.recipients[recipient].is_within(now, rate));
        if !is_within || !self.all[kind.place()].is_within(now, kind.all()) {
            return false;
        }
        match kind {
            Kind::Contact if !self.contacts.may_visit(now, to) => return false,
            Kind::Contact | Kind::Wish => self.contacts.book(now, to),
            _ => {}
        }
        if let Some(rate) = kind.one() {
            self.recipients[recipient].allow(now, rate);
        }
        self.all[kind.place()].allow(now, kind.all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    /// How often each of `recipients` may be provoked in ten minutes of two attempts a second.
    fn in_ten_minutes(kind: Kind, recipients: u8) -> Vec<usize> {
        let mut rng = StdRng::from_seed([9; 32]);
        let mut provoked = Provoked::new(Key::new(&mut rng), Contacts::new(Key::new(&mut rng)));
        let mut counts = vec![0; usize::from(recipients)];
        for half in 0..1_200_u64 {
            let now = Time::from_micros(1_000_000 + half * 500_000);
            for recipient in 0..recipients {
                let to = SocketAddr::from(([8, recipient, 8, 8], 24_254));
                counts[usize::from(recipient)] += usize::from(provoked.may_provoke(now, kind, to));
            }
        }
        counts
    }

    #[test]
    fn no_kind_uses_up_what_another_may_send() {
        let mut rng = StdRng::from_seed([9; 32]);
        let mut provoked = Provoked::new(Key::new(&mut rng), Contacts::new(Key::new(&mut rng)));
        // Each second a peer is tried, which it is twice in two minutes at most, and another one is asked about a
        // claim.
        for second in 0..2_000_u64 {
            let now = Time::from_micros(second * 1_000_000);
            let [_, _, high, low] = (second as u32).to_be_bytes();
            let [tried, asked] = [8, 9].map(|net| SocketAddr::from(([net, high, low, 8], 24_254)));
            while provoked.may_provoke(now, Kind::Trial, tried) {}
            assert!(provoked.may_provoke(now, Kind::Claim, asked), "after {second} s");
        }
    }

    #[test]
    fn each_recipient_and_all_together_get_what_the_table_says() {
        for (kind, one, all) in [
            (Kind::Contact, 6, 6_016),
            (Kind::Wish, 6, 6_016),
            (Kind::Trial, 12, 608),
            (Kind::Introduction, 68, 4_832),
            (Kind::Token, 120, 2_416),
            (Kind::Question, 128, 608),
            (Kind::Doubt, 120, 608),
            (Kind::Hint, 124, 2_416),
            (Kind::Claim, 604, 30_064),
        ] {
            let alone = in_ten_minutes(kind, 1)[0];
            assert!((one - 2..=one).contains(&alone), "{kind:?}: {alone} to one recipient");
            let together = in_ten_minutes(kind, 150);
            assert!(together.iter().all(|count| *count <= one), "{kind:?}: {together:?}");
            assert!(together.iter().sum::<usize>() <= all, "{kind:?}: {together:?}");
        }
        for (kind, all) in [(Kind::Knock, 2_416), (Kind::Follow, 308)] {
            let together: usize = in_ten_minutes(kind, 150).into_iter().sum();
            assert!((all - 5..=all).contains(&together), "{kind:?}: {together} together");
        }
    }
}
