//! Several real nodes that find each other.

use crate::harness::{Node, eventually, scratch};
use std::time::Instant;

#[test]
fn three_nodes_of_which_each_was_told_of_one_know_and_verify_each_other() {
    let directories = [scratch(), scratch(), scratch()];
    let a = Node::start(directories[0].path(), &[]);
    let b = Node::start(directories[1].path(), &[a.address]);
    b.wait_for_peer(a.address);
    let c = Node::start(directories[2].path(), &[a.address]);
    c.wait_for_peer(b.address);
    b.wait_for_peer(c.address);
    a.wait_for_peer(c.address);
}

#[test]
fn fifty_nodes_of_which_each_was_told_of_one_know_eight_others_within_thirty_seconds() {
    const NODES: usize = 50;
    const KNOWN: usize = 8;
    let directories: Vec<_> = (0..NODES).map(|_| scratch()).collect();
    let mut nodes: Vec<Node> = Vec::new();
    for (n, directory) in directories.iter().enumerate() {
        let told: Vec<_> = nodes.get(n / 2).map(|node| node.address).into_iter().collect();
        nodes.push(Node::start(directory.path(), &told));
    }
    let start = Instant::now();
    for node in &nodes {
        eventually("a node that knows eight others", || (node.peers().len() >= KNOWN).then_some(()));
    }
    assert!(start.elapsed() < crate::harness::PATIENCE, "{:?}", start.elapsed());
}
