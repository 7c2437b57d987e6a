//! `--download-limit` and `--upload-limit`, by the clock.

use crate::fetching::{alone, bytes, ids, seed};
use crate::harness::{Node, eventually, finish, scratch};
use std::fs;

/// A content that takes three seconds at [`RATE`], for four bytes of content are six on the way within one machine.
const CONTENT_BYTES: usize = 2_000_000;

const RATE: &str = "1M";

/// What a content cannot take less than: base64 alone makes 2.7 MB of it.
const SECONDS_MIN: f64 = 2.5;

/// What it cannot take more than, however busy the machine is.
const SECONDS_MAX: f64 = 20.0;

#[test]
fn a_download_limit_holds_for_get_alone_and_for_a_running_node_whatever_it_fetches() {
    let (scratch, content) = (scratch(), bytes(CONTENT_BYTES));
    let seed = seed(scratch.path(), &content);
    let id = &ids(&content)[1];
    let arguments = [id, "-o", "out", "--json", "--download-limit", RATE];
    let said = finish(alone(&scratch.path().join("alone"), Some(seed.address), &arguments).spawn().unwrap());
    said.success();
    let seconds = said.json()[0]["seconds"].as_f64().unwrap();
    assert!((SECONDS_MIN..SECONDS_MAX).contains(&seconds), "{seconds}");
    assert!(fs::read(scratch.path().join("out")).unwrap() == content);

    let data = scratch.path().join("beside");
    let node = Node::start_with(&data, &[seed.address], |command| {
        command.args(["--download-limit", RATE]);
    });
    node.wait_for_peer(seed.address);
    let out = scratch.path().join("beside-out");
    let said = node.ask(["get", id, "-o", out.to_str().unwrap(), "--download-limit", RATE]);
    assert!(said.complaint().contains("its own limits") && !out.exists(), "{said:?}");
    let said = node.ask(["get", id, "-o", out.to_str().unwrap(), "--json"]);
    said.success();
    let seconds = said.json()[0]["seconds"].as_f64().unwrap();
    assert!((SECONDS_MIN..SECONDS_MAX).contains(&seconds), "{seconds}");
    assert!(fs::read(out).unwrap() == content);
}

#[test]
fn an_upload_limit_holds_however_much_is_asked_for() {
    let (scratch, content) = (scratch(), bytes(CONTENT_BYTES));
    let path = scratch.path().join("content");
    fs::write(&path, &content).unwrap();
    let seed = Node::start_with(&scratch.path().join("seed"), &[], |command| {
        command.args(["--upload-limit", RATE]);
    });
    seed.ask(["share", path.to_str().unwrap()]).success();
    eventually("the shared content", || seed.ask(["status"]).success().contains("1 shared").then_some(()));
    let arguments = [&*ids(&content)[1], "-o", "out", "--json"];
    let said = finish(alone(&scratch.path().join("other"), Some(seed.address), &arguments).spawn().unwrap());
    said.success();
    let seconds = said.json()[0]["seconds"].as_f64().unwrap();
    assert!((SECONDS_MIN..SECONDS_MAX).contains(&seconds), "{seconds}");
    assert!(fs::read(scratch.path().join("out")).unwrap() == content);
}
