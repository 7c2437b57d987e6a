//! cjp2p-node (skeleton of the contract page)
pub mod console;
pub mod content;
pub mod control;
pub mod counters;
pub mod data_dir;
pub mod event_loop;
pub mod node;
pub mod request;
pub mod terminal;
pub mod time;
pub mod wire;
pub mod worker;
pub use node::Node;
pub use time::Time;
