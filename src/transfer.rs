//! Fetching content from others.
//!
//! Whoever fetches decides how fast: a source answers what it is asked for, so the congestion control that RFC 8085
//! demands sits with the asker, and "sending" means asking for bytes.
//!
//! - [`path`]: what is asked of one source and has not come yet, and what must be given up,
//! - [`pace`]: how much may be asked for, and how fast,
//! - [`rtt`]: how long an answer takes, and how long to wait for one.
//!
//! Nothing here knows a node, a socket or a clock, and no answer is believed here: whether the bytes are the right ones
//! is for others to say.

pub mod pace;
pub mod path;
pub mod rtt;
