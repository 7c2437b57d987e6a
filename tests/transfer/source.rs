//! A source as a model: it answers questions as a node would, honestly or not.

use crate::content::Content;
use crate::rng::Rng;
use cjp2p_node::Time;
use cjp2p_node::content::{ContentId, MemoryStore, Part};
use cjp2p_node::transfer::{Ask, Has, Transfers};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// What a source says.
#[derive(Clone, Debug)]
pub enum Answer {
    Content { part: Part, offset: u64, bytes: Vec<u8>, eof: u64 },
    Block { run: u32, offset: u64, bytes: Vec<u8> },
    Holdings { part: Part, eof: u64, has: Has },
}

impl Answer {
    /// Whether it carries what begins there in the content, more than the one byte that shows that it is there.
    pub fn begins_at(&self, start: u64) -> bool {
        match self {
            Answer::Content { part: Part::Content, offset, bytes, .. } => *offset == start && bytes.len() > 1,
            // Trees of contents as short as those in which answers are swallowed begin and end before them.
            Answer::Block { offset, .. } => *offset == start,
            _ => false,
        }
    }

    /// Whether it is longer than a link of 1,500 bytes carries in one piece, with a token beside it.
    pub fn needs_fragments(&self) -> bool {
        let around = match self {
            Answer::Content { .. } => 28 + 19 + 71 + 11 + 8 + 11 + 8 + 9 + 3 + 57,
            Answer::Block { .. } => 28 + 90,
            Answer::Holdings { .. } => 0,
        };
        self.payload().div_ceil(3) * 4 + around > 1_500
    }

    /// Arrives about this content. What is not kept is not kept; what becomes of it is seen in the end.
    pub fn arrive(
        self,
        now: Time,
        (from, id): (SocketAddr, ContentId),
        transfers: &mut Transfers,
        store: &mut MemoryStore,
    ) {
        let encode = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
        let _ = match self {
            Answer::Content { part, offset, bytes, eof } => {
                let content = (&*encode(&bytes), Some(eof));
                transfers.take_content(now, from, (id, part, offset), content, store)
            }
            Answer::Block { run, offset, bytes } => {
                transfers.take_block(now, from, (u64::from(run), offset), &encode(&bytes), store)
            }
            Answer::Holdings { part, eof, has } => {
                transfers.take_holdings(now, from, &id, part, Some(eof), has);
                Ok(())
            }
        };
    }

    /// The content it carries, if it is not the one byte by which a source shows that it has it.
    pub fn payload(&self) -> usize {
        match self {
            Answer::Content { bytes, .. } if bytes.len() == 1 => 0,
            Answer::Content { bytes, .. } | Answer::Block { bytes, .. } => bytes.len(),
            Answer::Holdings { .. } => 0,
        }
    }
}

/// A source.
pub struct Source {
    pub content: Rc<Content>,
    /// Whether it knows our words.
    pub is_ours: bool,
    /// How many of a thousand answers are damaged, each in its own way.
    pub damaged: u32,
    /// How many answers it gives before it falls silent.
    pub answers_left: u64,
    /// How much longer or shorter than it is it says the content is.
    pub exaggerates: i64,
    /// How many of a thousand blocks it lacks but claims to have.
    pub swallows: u32,
    /// Whether only what needs no fragments gets through from it.
    pub is_without_fragments: bool,
    /// From the first answer on after so many, each comes later than the one before, by this much.
    pub tires: Option<(u64, Duration)>,
    /// Whether it says now what is true of the size, and now what `exaggerates` says.
    pub wavers: bool,
    /// Whether it says each time that it has other pieces than it said before, and each time a lie.
    pub is_fickle: bool,
    /// After how many answers it says in our words what it has, if it did not before.
    pub tells_after: Option<u64>,
    /// How many answers it has given.
    pub answers: u64,
}

impl Source {
    pub fn honest(content: &Rc<Content>) -> Source {
        Source {
            content: content.clone(),
            is_ours: true,
            damaged: 0,
            answers_left: u64::MAX,
            exaggerates: 0,
            swallows: 0,
            is_without_fragments: false,
            tires: None,
            wavers: false,
            is_fickle: false,
            tells_after: None,
            answers: 0,
        }
    }

    pub fn liar(content: &Rc<Content>, damaged: u32) -> Source {
        Source { damaged, ..Source::honest(content) }
    }

    /// How long the content is, as it says this time.
    fn eof(&self, rng: &mut Rng) -> u64 {
        let is_true = self.wavers && rng.chance(500);
        self.content.bytes.len().saturating_add_signed(if is_true { 0 } else { self.exaggerates as isize }) as u64
    }

    /// Which pieces it has, as it says this time.
    fn has(&self, rng: &mut Rng) -> Has {
        match rng.below(3) {
            0 if self.is_fickle => Has::Some(rng.bytes(2)),
            1 if self.is_fickle => Has::Some(vec![0; 2]),
            _ => Has::All,
        }
    }

    /// How long it takes to say what it is about to say.
    pub fn hesitates(&mut self) -> Duration {
        self.answers += 1;
        let (after, span) = self.tires.unwrap_or_default();
        span * self.answers.saturating_sub(after) as u32
    }

    pub fn answer(&mut self, ask: Ask, rng: &mut Rng) -> Vec<Answer> {
        let mut answers = match ask {
            Ask::Knock => self.introduce(rng),
            Ask::Holdings(part) => vec![Answer::Holdings { part, eof: self.eof(rng), has: self.has(rng) }],
            Ask::Block { part, offset, length } => {
                let bytes = self.read(part, offset, u64::from(length), rng);
                vec![Answer::Content { part, offset, bytes, eof: self.eof(rng) }]
            }
            Ask::Run { part, offset, length, block, run } => (offset..offset + length)
                .step_by(block as usize)
                .map(|start| {
                    let length = u64::from(block).min(offset + length - start);
                    Answer::Block { run, offset: start, bytes: self.read(part, start, length, rng) }
                })
                .collect(),
        };
        if self.tells_after.take_if(|after| *after <= self.answers).is_some() {
            self.is_ours = true;
            answers.push(Answer::Holdings { part: Part::Content, eof: self.eof(rng), has: self.has(rng) });
        }
        answers.retain(|answer| answer.payload() == 0 || !rng.chance(self.swallows));
        answers.retain(|answer| !self.is_without_fragments || !answer.needs_fragments());
        let left = self.answers_left.min(answers.len() as u64);
        self.answers_left -= left;
        answers.truncate(left as usize);
        answers
    }

    fn introduce(&self, rng: &mut Rng) -> Vec<Answer> {
        let first = self.content.bytes.first().map(|byte| vec![*byte]).unwrap_or_default();
        let mut answers = vec![Answer::Content { part: Part::Content, offset: 0, bytes: first, eof: self.eof(rng) }];
        if self.is_ours {
            answers.push(Answer::Holdings { part: Part::Content, eof: self.eof(rng), has: self.has(rng) });
        }
        answers
    }

    fn read(&self, part: Part, offset: u64, length: u64, rng: &mut Rng) -> Vec<u8> {
        let all = self.content.part(part);
        let place = |at: u64| (at as usize).min(all.len());
        let mut bytes = all[place(offset)..place(offset + length)].to_vec();
        if !bytes.is_empty() && rng.chance(self.damaged) {
            let at = rng.index(bytes.len());
            bytes[at] ^= rng.between(1, 255) as u8;
        }
        bytes
    }
}
