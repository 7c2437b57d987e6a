//! Several `get` on one data directory without a node that stays: one of them is the node of all until it is done.

use crate::control::converse;
use crate::fetching::{alone, bytes, counter, ids, names, seed};
use crate::harness::{Node, eventually, finish, scratch};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::Child;

/// What the first of them fetches, in bytes, and at which rate: for a second or two, in which others come.
const FIRST_BYTES: usize = 2 << 20;
const RATE: &str = "2M";

fn wait_for_node(data: &Path) {
    eventually("a node", || data.join("node.json").exists().then_some(()));
}

/// Waits until so many `get` wait for what is being fetched there.
fn wait_for_waiting(data: &Path, count: u64) {
    eventually("those who wait", || {
        let line = converse(data, b"{\"command\":\"/fetching\"}\n");
        let answer: serde_json::Value = serde_json::from_str(&line).ok()?;
        (answer["json"][0]["waiting"].as_u64() == Some(count)).then_some(())
    });
}

fn interrupt(get: &Child) {
    kill_process(Pid::from_child(get), Signal::INT).unwrap();
}

/// Of contents that nobody serves nothing is left in a data directory.
fn assert_empty(data: &Path) {
    for folder in ["store", "parts", "trees"] {
        assert_eq!(names(&data.join(folder)), [""; 0], "{folder}");
    }
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
        assert_empty(&data);
    }
}

#[test]
fn nothing_is_left_of_what_one_has_let_another_fetch() {
    let (scratch, first, second) = (scratch(), bytes(FIRST_BYTES), bytes(300_001));
    let seed = seed(scratch.path(), &first);
    share(&seed, &scratch.path().join("second"), &second);
    for (number, (id, other)) in ids(&first).iter().zip(ids(&second)).enumerate() {
        let data = scratch.path().join(format!("data{number}"));
        let outs = [0, 1].map(|nth| scratch.path().join(format!("out{number}-{nth}")));
        let arguments = [id, "-o", outs[0].to_str().unwrap(), "--download-limit", RATE];
        let mut one = alone(&data, Some(seed.address), &arguments).spawn().unwrap();
        wait_for_node(&data);
        finish(alone(&data, None, &[&other, "-o", outs[1].to_str().unwrap()]).spawn().unwrap()).success();
        assert!(one.try_wait().unwrap().is_none(), "it was not there any more, and this test shows nothing");
        assert!(fs::read(&outs[1]).unwrap() == second);
        finish(one).success();
        assert_empty(&data);
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
        assert_empty(&data);
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

#[test]
fn who_is_interrupted_stops_no_other_that_waits_for_the_same() {
    let (scratch, content) = (scratch(), bytes(2 * FIRST_BYTES));
    let seed = seed(scratch.path(), &content);
    let id = &ids(&content)[1];
    // A node that stays; the node of the first; that of the first, which is gone with it.
    for (name, interrupted) in [("beside", 0), ("second", 1), ("first", 0)] {
        let data = scratch.path().join(name);
        let node = (name == "beside").then(|| {
            let node = Node::start_with(&data, &[seed.address], |command| {
                command.args(["--download-limit", RATE]);
            });
            node.wait_for_peer(seed.address);
            node
        });
        let outs = [0, 1].map(|nth| scratch.path().join(format!("out-{name}-{nth}")));
        let mut gets = Vec::new();
        for out in &outs {
            let limit = if node.is_none() && gets.is_empty() { vec!["--download-limit", RATE] } else { vec![] };
            let arguments = [vec![&**id, "-o", out.to_str().unwrap()], limit].concat();
            gets.push(alone(&data, Some(seed.address), &arguments).spawn().unwrap());
            wait_for_node(&data);
            wait_for_waiting(&data, gets.len() as u64);
        }
        interrupt(&gets[interrupted]);
        let said = finish(gets.remove(interrupted));
        assert!(said.stderr.contains("interrupted; what came is kept"), "{name}: {said:?}");
        finish(gets.remove(0)).success();
        assert!(fs::read(&outs[1 - interrupted]).unwrap() == content && !outs[interrupted].exists(), "{name}");
        if node.is_none() {
            assert_empty(&data);
        }
    }
}

#[test]
fn when_all_that_waited_were_interrupted_the_node_stops_fetching_unless_its_user_wants_it_too() {
    let (scratch, content) = (scratch(), bytes(2 * FIRST_BYTES));
    let seed = seed(scratch.path(), &content);
    let id = &ids(&content)[1];
    for is_wanted in [false, true] {
        let data = scratch.path().join(format!("data-{is_wanted}"));
        let node = Node::start_with(&data, &[seed.address], |command| {
            command.args(["--download-limit", RATE]);
        });
        node.wait_for_peer(seed.address);
        let gets = ["one", "other"].map(|name| alone(&data, None, &[id, "-o", name]).spawn().unwrap());
        wait_for_waiting(&data, 2);
        if is_wanted {
            converse(&data, format!("{{\"command\":\"/get {id}\"}}\n").as_bytes());
        }
        gets.iter().for_each(interrupt);
        for get in gets {
            assert!(finish(get).stderr.contains("interrupted; what came is kept"));
        }
        let fetching = || converse(&data, b"{\"command\":\"/fetching\"}\n");
        if is_wanted {
            eventually("the content", || {
                (counter(&node, "bytes_received") > 0 && fetching().contains("{\"done\":")).then_some(())
            });
        } else {
            assert!(fetching().ends_with("\"json\":[]}\n"));
        }
    }
}

#[test]
fn what_a_running_node_does_not_do_for_a_get_is_said_and_whom_it_names_is_asked() {
    let (scratch, content) = (scratch(), bytes(100_000));
    let seed = seed(scratch.path(), &content);
    let data = scratch.path().join("data");
    let _node = Node::start(&data, &[]);
    // Only by this --peer does it know anybody.
    let said = finish(alone(&data, Some(seed.address), &[&ids(&content)[1], "-o", "out"]).spawn().unwrap());
    said.success();
    assert!(fs::read(scratch.path().join("out")).unwrap() == content);
    assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
    assert!(said.stderr.contains("--bind, --no-bootstrap and --no-lan are ignored"), "{said:?}");
    let quiet = finish(alone(&data, None, &[&ids(&content)[1], "-o", "out", "-f", "-q"]).spawn().unwrap());
    assert!(!quiet.success().is_empty() && quiet.stderr.is_empty(), "{quiet:?}");
}
