//! What can be typed, and what comes of typing something else.

use crate::harness::{Node, binary, run, scratch};
use std::net::UdpSocket;

#[test]
fn help_and_version_are_printed_and_succeed() {
    for option in ["--help", "-h"] {
        let said = run(&[option]);
        for word in ["--port", "--peer", "--data-dir", "send ADDR JSON", "ping ADDR", "status", "stop"] {
            assert!(said.success().contains(word), "{word}");
        }
    }
    assert_eq!(run(&["--version"]).success(), concat!("cjp2p-node ", env!("CARGO_PKG_VERSION")));
    assert!(run(&["ping", "--help"]).success().contains("--count"));
    // What means something else with another command is told as what it means with this one.
    for (command, help) in [
        ("share", "--remove WHAT  share the content with this ID no longer"),
        ("publish", "--remove WHAT  publish this NAME of yours, or KEY/NAME, no longer"),
        ("published", "--remove WHAT  keep this KEY/NAME up to date no longer"),
        ("get", "-q, --quiet show no progress and no hints, but every error"),
        ("send", "--wait SECONDS   how long to wait for answers (default: 2)"),
        ("add", "--wait SECONDS   how long to wait for an answer (default: 5)"),
        ("msg", "--wait SECONDS   how long to wait until it was seen (default: 120)"),
        ("ls", "--wait SECONDS   with --peers: for how long answers are gathered (default: 1)"),
    ] {
        let said = run(&["help", command]);
        let said = said.success().split_whitespace().collect::<Vec<_>>().join(" ");
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&help), "{command}: {said}");
    }
    assert_eq!(run(&["help", "ping"]).success(), run(&["ping", "--help"]).success());
    assert_eq!(run(&["help"]).success(), run(&["--help"]).success());
}

#[test]
fn a_mistake_gets_one_line_that_names_it() {
    for (arguments, part) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["-x"], "-x"),
        (&["nonsense"], "nonsense"),
        (&["--port"], "--port"),
        (&["--port", "70000"], "70000"),
        (&["--port", "1023"], "other nodes ignore who speaks from port 1023"),
        (&["ping", "127.0.0.1:9999", "--port", "53"], "port 53"),
        (&["--bind", "127.0.0.1:24254"], "--port 24254"),
        (&["--bind", "localhost"], "localhost"),
        (&["--peer", "no..body"], "no..body"),
        (&["ping", "no..body"], "nor the name of a host"),
        (&["send", "127.0.0.1:0", "[]"], "nobody can listen on port 0"),
        (&["ping", "127.0.0.1:0"], "nobody can listen on port 0"),
        (&["--data-dir", ""], "--data-dir"),
        (&["--data-dir", "/dev/null/x"], "/dev/null/x"),
        (&["--bind", "192.0.2.1", "--port", "0", "--no-bootstrap", "--no-lan", "--data-dir", "DIR"], "192.0.2.1"),
        (&["--count", "1"], "--count"),
        (&["ping"], "ADDR"),
        (&["ping", "127.0.0.1:9", "more"], "more"),
        (&["send", "127.0.0.1:9"], "JSON"),
        (&["send", "127.0.0.1:9", "{}"], "array"),
        (&["send", "127.0.0.1:9", "[1]"], "array"),
        (&["send", "127.0.0.1:9", "[{\"A\":1},]"], "line 1 column 10"),
        (&["send", "127.0.0.1:9", "[]", "--wait", "0"], "more than 0"),
        (&["send", "127.0.0.1:9", "[{}]", "--wait", "x"], "--wait"),
        (&["status", "--data-dir", "DIR"], "no node is running"),
        (&["peers", "--data-dir", "DIR"], "no node is running"),
        (&["add", "127.0.0.1:9999", "--data-dir", "DIR"], "no node is running"),
        (&["add", "no..body", "--data-dir", "DIR"], "cjp2p-node: 'no..body' is not an address"),
        (&["ping", "-v", "127.0.0.1:9"], "--verbose does not go with the command ping"),
        (&["ping", "127.0.0.1:9", "--data-dir", "DIR"], "does not go with the command ping; see cjp2p-node help ping"),
        (&["stop", "--data-dir", "DIR"], "no node is running"),
    ] {
        let directory = scratch();
        let place = directory.path().to_str().unwrap();
        let arguments: Vec<&str> =
            arguments.iter().map(|argument| if *argument == "DIR" { place } else { argument }).collect();
        let said = run(&arguments);
        assert!(said.complaint().contains(part), "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_taken_port_is_named_with_the_option_that_changes_it() {
    let (directory, other) = (scratch(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = other.local_addr().unwrap().port().to_string();
    let place = directory.path().to_str().unwrap();
    for bind in [&["--bind", "127.0.0.1"][..], &[]] {
        let mut arguments = vec!["--no-bootstrap", "--no-lan", "--data-dir", place, "--port", &port];
        arguments.extend(bind);
        let said = run(&arguments);
        assert!(said.complaint().contains(&port) && said.complaint().contains("--port"), "{said:?}");
    }
}

#[test]
fn a_data_directory_in_use_is_named() {
    let directory = scratch();
    let _node = Node::start(directory.path(), &[]);
    let place = directory.path().to_str().unwrap();
    let said = run(&["--no-bootstrap", "--no-lan", "--port", "0", "--bind", "127.0.0.1", "--data-dir", place]);
    assert!(said.complaint().contains("already used by another running node"), "{said:?}");
    assert!(said.complaint().contains(place), "{said:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_printed_is_said() {
    let folder = scratch();
    for arguments in [&["help"][..], &["id"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = binary();
        command.args(arguments).arg("--data-dir").arg(folder.path());
        let output = command.stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.ends_with("cannot write to the standard output: No space left on device (os error 28)\n"),
            "{said}"
        );
    }
}
