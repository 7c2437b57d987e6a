//! Invariant 5: no table or queue outgrows its limit, whatever arrives.
//!
//! The one check that asks the node about itself, because nobody outside sees its tables. Which there are the compiler
//! knows: see `cjp2p_node::sizes`.

use super::Checks;
use cjp2p_node::Node;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::node::OUTBOX_MAX;

impl Checks {
    /// After every input, before the outputs are drained, which is when the queues are longest.
    pub fn tables(node: &Node<MemoryStore>) -> Result<(), String> {
        for size in node.sizes() {
            if size.len > size.max {
                return Err(format!("{} {}, where at most {} may be", size.len, size.table, size.max));
            }
        }
        if node.counters().events_dropped > 0 {
            return Err("events were dropped, though all are fetched after every input".to_owned());
        }
        Ok(())
    }

    /// A full queue drops what comes next, so one that is drained after every input must never be full.
    pub fn queue(sent: usize) -> Result<(), String> {
        if sent >= OUTBOX_MAX {
            return Err(format!("{sent} datagrams out of one input: some may be lost"));
        }
        Ok(())
    }
}
