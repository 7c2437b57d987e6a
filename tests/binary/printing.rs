//! `get -o -`: a content goes to the standard output, whole and checked, for another program to read.

use crate::fetching::{alone, bytes, ended, ids, names, seed};
use crate::harness::{Node, eventually, finish, scratch};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The same command with its output in the hands of `program`, which has it as its arguments.
fn within(program: &[&str], get: &Command) -> Command {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(get.get_program()).args(get.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn assert_empty(data: &Path) {
    for folder in ["store", "parts", "trees"] {
        assert_eq!(names(&data.join(folder)), [""; 0], "{folder}");
    }
}

#[test]
fn a_content_goes_to_the_standard_output_and_nothing_else_does() {
    let (scratch, content) = (scratch(), bytes(3_000_001));
    let seed = seed(scratch.path(), &content);
    let beside = scratch.path().join("beside");
    let node = Node::start(&beside, &[seed.address]);
    node.wait_for_peer(seed.address);
    for id in ids(&content) {
        let data = scratch.path().join("alone");
        for data in [&data, &beside] {
            let peer = (data != &beside).then_some(seed.address);
            let mut get = alone(data, peer, &[&id, "-o", "-"]);
            let output = get.output().unwrap();
            assert!(output.status.success() && output.stdout == content, "{:?}", String::from_utf8(output.stderr));
        }
        assert_empty(&data);
        // Who reads on no longer wants no more of it, now or later.
        let get = alone(&data, Some(seed.address), &[&id, "-o", "-"]);
        let said = ended(within(&["sh", "-c", "\"$@\" | head -c 1 | wc -c", "sh"], &get));
        assert_eq!((said.success(), said.stderr.as_str()), ("1", ""));
        assert_empty(&data);
    }
    assert!(!scratch.path().join("-").exists());
}

#[test]
fn what_strangers_made_is_not_printed_on_a_terminal_nor_among_json() {
    let scratch = scratch();
    let get = |arguments: &[&str]| {
        alone(&scratch.path().join("data"), None, &[&[&*"ab".repeat(32), "-o", "-"], arguments].concat())
    };
    let pty = ["python3", "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"];
    let said = ended(within(&pty, &get(&[])));
    assert!(!said.status.success() && said.stdout.contains("not printed on a terminal"), "{said:?}");
    let said = ended(get(&["--json"]));
    assert!(said.complaint().contains("--json") && said.status.code() == Some(2), "{said:?}");
    assert!(!scratch.path().join("data").exists());
}

#[test]
fn what_changes_while_it_is_printed_is_no_success_and_not_printed_twice() {
    let (scratch, content, longer) = (scratch(), bytes(3_000_001), bytes(12_000_000));
    let seed = seed(scratch.path(), &content);
    let other = scratch.path().join("other");
    fs::write(&other, &longer).unwrap();
    seed.ask(["share", other.to_str().unwrap()]).success();
    // A node that stays, and that of another `get`, which has more to fetch.
    for folder in ["store", "parts"] {
        let data = scratch.path().join(format!("data-{folder}"));
        let first = (folder == "parts").then(|| {
            let arguments = [&ids(&longer)[0], "-o", "out", "--download-limit", "4M"];
            alone(&data, Some(seed.address), &arguments).spawn().unwrap()
        });
        let node = first.is_none().then(|| Node::start(&data, &[seed.address]));
        node.iter().for_each(|node| node.wait_for_peer(seed.address));
        eventually("a node", || data.join("node.json").exists().then_some(()));
        let mut get = alone(&data, None, &[&ids(&content)[1], "-o", "-"]).spawn().unwrap();
        let (mut output, mut printed) = (get.stdout.take().unwrap(), vec![0; 1]);
        output.read_exact(&mut printed).unwrap();
        let mut paths = fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let path = paths.find(|path| fs::metadata(path).unwrap().len() == 3_000_001).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().write_all(&[0; 3_000_001]).unwrap();
        output.read_to_end(&mut printed).unwrap();
        let said = finish(get);
        assert!(!said.status.success() && said.stderr.contains("has been changed meanwhile"), "{said:?}");
        assert!(printed != content && printed.len() == content.len());
        if let Some(mut first) = first {
            assert!(first.try_wait().unwrap().is_none(), "it was not there any more, and this test shows nothing");
            first.kill().unwrap();
            first.wait().unwrap();
        }
    }
}
