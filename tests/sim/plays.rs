//! Chosen scenes, each a claim about what happens between a few nodes.

mod attacked;
mod chat;
mod meddled;
mod meeting;
mod others;
