//! `ls`: what is shared here, and what others share and recommend.

use crate::fetching::{bytes, ids, seed};
use crate::harness::{Node, eventually, run, scratch};
use cjp2p_node::data_dir::control_socket;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::thread;

#[test]
fn what_is_shared_here_is_listed_with_and_without_a_running_node() {
    let (scratch, content) = (scratch(), bytes(10_000));
    let seed = seed(scratch.path(), &content);
    let data = scratch.path().join("seed");
    let list = |json: &[&str]| {
        let said = run(&[&["ls", "--data-dir", data.to_str().unwrap()], json].concat());
        said.success();
        said
    };
    let running = list(&[]);
    assert!(running.stdout.contains(&ids(&content)[0]) && running.stdout.contains("content"), "{running:?}");
    assert_eq!(list(&["--json"]).json()[0]["sha256"], *ids(&content)[0]);
    seed.terminate();
    assert_eq!(list(&[]).stdout, running.stdout);
    let said = run(&["ls", "--peers", "--data-dir", data.to_str().unwrap()]);
    assert!(said.complaint().contains("no node is running"), "{said:?}");
    let said = run(&["ls", "--wait", "1"]);
    assert!(said.complaint().contains("--wait goes with --peers"), "{said:?}");
}

#[test]
fn what_peers_share_and_recommend_is_listed_and_cannot_reach_the_terminal() {
    let (scratch, content) = (scratch(), bytes(10_000));
    let seed = seed(scratch.path(), &content);
    let node = Node::start(&scratch.path().join("node"), &[]);
    assert!(node.ask(["ls", "--peers", "--wait", "0.01"]).success().contains("nobody has said"));
    node.ask(["add", &seed.address.to_string()]).success();
    let id = &ids(&content)[0];
    let shown = eventually("the list of the peer", || {
        let said = node.ask(["ls", "--peers", "--wait", "0.2"]);
        said.success().contains(id).then_some(said.stdout)
    });
    assert!(shown.contains("10000  shares") && shown.contains(&seed.address.to_string()), "{shown}");
    // Somebody recommends what nobody should print.
    let nasty = r#"{"YouShouldSeeThis":{"id":"\u001b[2Jcat","length":5}},{"IJustSawThis":{"id":"dog","length":6}}"#;
    // Only with a question, because a stranger who asks nothing is given no token to prove itself with.
    node.send(&format!(r#"[{{"PleaseSendPeers":{{}}}},{nasty}]"#));
    let shown = node.ask(["ls", "--peers", "--wait", "0.01"]).success().to_owned();
    assert!(shown.contains("5  recommends") && shown.contains("6  saw"), "{shown:?}");
    assert!(!shown.contains('\u{1b}') && shown.contains("\u{fffd}[2Jcat"), "{shown:?}");
    // A line for each, as of what is shared here.
    let lines = node.ask(["ls", "--peers", "--wait", "0.01", "--json"]).json();
    assert_eq!(lines.len(), 3);
    let own = lines.iter().find(|line| line["id"] == **id).unwrap();
    assert_eq!((&own["says"], &own["size"]), (&"shares".into(), &10_000.into()));
    assert!(lines.iter().any(|line| line["id"] == "\u{1b}[2Jcat" && line["says"] == "recommends"));
}

#[test]
fn a_node_that_answers_something_else_is_told_from_one_of_whose_peers_nothing_is_known() {
    let scratch = scratch();
    let listener = UnixListener::bind(control_socket(scratch.path())).unwrap();
    // Two questions of the first, one for asking peers, one for what they said; and one of the second.
    let node = thread::spawn(move || {
        for _ in 0..3 {
            let mut stream = listener.accept().unwrap().0;
            BufReader::new(&stream).read_line(&mut String::new()).unwrap();
            stream.write_all(b"{\"refused\":false,\"text\":\"\",\"json\":{\"listed\":[]}}\n").unwrap();
        }
    });
    let data = scratch.path().to_str().unwrap();
    for command in [&["ls", "--peers", "--wait", "0.01", "--json"][..], &["add", "127.0.0.1:24254", "--wait", "0.1"]] {
        let said = run(&[command, &["--data-dir", data]].concat());
        assert_eq!(said.complaint(), "cjp2p-node: the node gave another answer than was asked for", "{command:?}");
    }
    node.join().unwrap();
}
