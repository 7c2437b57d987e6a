//! cjp2p-node (skeleton of the contract page)
pub mod content;
pub mod counters;
pub mod node;
pub mod time;
pub mod wire;
pub use node::Node;
pub use time::Time;
