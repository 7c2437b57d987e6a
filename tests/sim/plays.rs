//! Chosen scenes, each a claim about what happens between a few nodes.

mod aimed;
mod attacked;
mod chat;
mod claimed;
mod crowded;
mod meddled;
mod meeting;
mod others;
mod outage;
