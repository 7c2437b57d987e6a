//! cjp2p-node (skeleton of the contract page)
pub mod budget;
pub mod content;
pub mod counters;
mod hash;
pub mod node;
pub mod peers;
mod rate;
pub mod time;
pub mod tokens;
pub mod wire;
pub use node::Node;
pub use time::Time;
