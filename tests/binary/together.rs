//! Several `get` on one data directory without a node that stays: one of them is the node of all until it is done.

use crate::fetching::{alone, bytes, ids, names, seed};
use crate::harness::{Node, eventually, finish, scratch};
use std::fs;
use std::path::Path;

/// What the first of them fetches, in bytes, and at which rate: for a second or two, in which others come.
const FIRST_BYTES: usize = 2 << 20;
const RATE: &str = "2M";

fn wait_for_node(data: &Path) {
    eventually("a node", || data.join("node.json").exists().then_some(()));
}

fn share(node: &Node, path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    node.ask(["share", path.to_str().unwrap()]).success();
}

#[test]
fn a_get_goes_on_when_another_that_did_its_work_is_done() {
    let (scratch, first, second) = (scratch(), bytes(FIRST_BYTES), bytes(2 * FIRST_BYTES));
    let seed = seed(scratch.path(), &first);
    share(&seed, &scratch.path().join("second"), &second);
    for (number, (id, other)) in ids(&first).iter().zip(ids(&second)).enumerate() {
        let data = scratch.path().join(format!("data{number}"));
        let outs = [0, 1].map(|nth| scratch.path().join(format!("out{number}-{nth}")));
        let arguments = [id, "-o", outs[0].to_str().unwrap(), "--download-limit", RATE];
        let one = alone(&data, Some(seed.address), &arguments).spawn().unwrap();
        wait_for_node(&data);
        let other = alone(&data, Some(seed.address), &[&other, "-o", outs[1].to_str().unwrap()]).spawn().unwrap();
        finish(one).success();
        finish(other).success();
        assert!(fs::read(&outs[0]).unwrap() == first && fs::read(&outs[1]).unwrap() == second);
        assert_eq!(names(&data.join("parts")).len(), 0);
    }
}

#[test]
fn two_that_want_the_same_both_get_it() {
    let (scratch, content) = (scratch(), bytes(FIRST_BYTES));
    let seed = seed(scratch.path(), &content);
    for (number, id) in ids(&content).iter().enumerate() {
        let data = scratch.path().join(format!("data{number}"));
        let outs = [0, 1].map(|nth| scratch.path().join(format!("out{number}-{nth}")));
        let arguments = [id, "-o", outs[0].to_str().unwrap(), "--download-limit", RATE];
        let one = alone(&data, Some(seed.address), &arguments).spawn().unwrap();
        wait_for_node(&data);
        let other = alone(&data, Some(seed.address), &[id, "-o", outs[1].to_str().unwrap()]).spawn().unwrap();
        finish(one).success();
        finish(other).success();
        assert!(outs.iter().all(|out| fs::read(out).unwrap() == content));
        assert_eq!(names(&data.join("parts")).len() + names(&data.join("store")).len(), 0);
    }
}

#[test]
fn a_node_that_was_to_stay_is_not_replaced_when_it_is_stopped() {
    let (scratch, content) = (scratch(), bytes(FIRST_BYTES));
    let seed = seed(scratch.path(), &content);
    let (data, out) = (scratch.path().join("data"), scratch.path().join("out"));
    let node = Node::start_with(&data, &[seed.address], |command| {
        command.args(["--download-limit", RATE]);
    });
    node.wait_for_peer(seed.address);
    let arguments = [&ids(&content)[1], "-o", out.to_str().unwrap()];
    let get = alone(&data, Some(seed.address), &arguments).spawn().unwrap();
    eventually("a part", || (!names(&data.join("parts")).is_empty()).then_some(()));
    node.terminate().success();
    assert!(!finish(get).status.success() && !out.exists() && !data.join("node.json").exists());
    // It had come in part.
    assert!(!names(&data.join("parts")).is_empty());
    finish(alone(&data, Some(seed.address), &arguments).spawn().unwrap()).success();
    assert!(fs::read(&out).unwrap() == content);
}
