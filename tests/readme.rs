//! `README.md` kept true: its tables are those of the program, its example runs, and what it shows is what is seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
#![allow(dead_code)] // the harness serves other tests too

#[path = "binary/harness.rs"]
mod harness;

use cjp2p_node::content::SHARED_FILES_MAX;
use cjp2p_node::peers::{VERIFIED_MAX, contacts::BURST, heard::HEARD_MAX};
use harness::{Node, eventually, poke, run, scratch};
use serde_json::Value;
use std::process::{Command, Stdio};

const README: &str = include_str!("../README.md");

/// The rows of the tables with this heading, as (first column without backticks, second column).
fn rows(heading: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut is_inside = false;
    for line in README.lines() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            is_inside = false;
            continue;
        };
        let Some((left, right)) = row.split_once(" | ") else { continue };
        if is_inside && !left.starts_with("---") {
            rows.push((left.trim_matches('`').to_owned(), right.to_owned()));
        }
        is_inside |= left == heading;
    }
    rows
}

/// The indented lines of a help text, as (what is typed, what it does).
fn help_lines(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    lines
        .filter_map(|line| line.split_once("  "))
        .map(|(left, right)| (left.trim().into(), right.trim().into()))
        .collect()
}

/// The first fenced block of a language.
fn block(language: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("```{language}\n")).expect("a fenced block");
    rest.split_once("```").unwrap().0
}

#[test]
fn the_tables_of_commands_and_options_are_what_help_prints() {
    let help = run(&["--help"]);
    let (commands, options) = help.success().split_once("Options:").unwrap();
    let typed: Vec<_> = rows("command").into_iter().filter(|(name, _)| name.starts_with("cjp2p-node")).collect();
    assert_eq!(typed, help_lines(commands), "make the table of commands in README.md what --help says");
    assert_eq!(rows("option"), help_lines(options), "make the table of options in README.md what --help says");
}

#[test]
fn the_table_of_console_commands_is_what_slash_help_prints() {
    let help = cjp2p_node::request::help();
    let known: Vec<_> = help_lines(&help).into_iter().filter(|(name, _)| name.starts_with('/')).collect();
    let written: Vec<_> = rows("command").into_iter().filter(|(name, _)| name.starts_with('/')).collect();
    assert_eq!(written, known, "make the table of console commands in README.md what /help says");
}

#[test]
fn the_first_lines_are_those_that_are_shown() {
    let data = scratch();
    let node = Node::start(data.path(), &[]);
    let (ip, port) = (node.address.ip().to_string(), node.address.port().to_string());
    let said = node.terminate().stdout;
    let path = data.path().canonicalize().unwrap().display().to_string();
    let shown = block("text").replace("[::]", &ip).replace("24254", &port).replace("~/.local/share/cjp2p-node", &path);
    // The last line says how to stop it, which is another thing where nobody types.
    let shown = &shown[..shown.find("stop ").unwrap()];
    assert!(said.starts_with(shown), "README.md shows\n{shown}\nand this is seen\n{said}");
}

#[test]
fn the_poke_is_answered_as_shown() {
    let (data, more) = (scratch(), scratch());
    let node = Node::start(data.path(), &[]);
    let other = Node::start(more.path(), &[node.address]);
    node.wait_for_peer(other.address);
    let (_, rest) = block("console").split_once("echo -n '").unwrap();
    let (request, rest) = rest.split_once('\'').unwrap();
    let shown: Value = serde_json::from_str(rest.lines().nth(1).unwrap()).unwrap();
    let answer = poke(node.address, request.as_bytes());
    assert!(answer.len() <= 102, "{}", answer.len());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let shape = |array: &Value| -> Vec<String> {
        array.as_array().unwrap().iter().flat_map(|element| element.as_object().unwrap().keys().cloned()).collect()
    };
    assert_eq!(shape(&answer), shape(&shown));
    assert_eq!(answer[0]["Peers"]["peers"][0], other.address.to_string());
}

#[test]
fn the_ten_lines_of_python_print_the_peers() {
    let code = block("python");
    assert_eq!(code.lines().count(), 10);
    let (data, more) = (scratch(), scratch());
    let node = Node::start(data.path(), &[]);
    let other = Node::start(more.path(), &[node.address]);
    node.wait_for_peer(other.address);
    let code = code.replace("24254", &node.address.port().to_string());
    let printed = eventually("the peer's address", || {
        let output = Command::new("python3").args(["-c", &code]).stderr(Stdio::inherit()).output();
        let output = output.expect("this test needs python3");
        assert!(output.status.success());
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.contains(&format!("'{}'", other.address)).then_some(printed)
    });
    assert!(printed.starts_with('[') && printed.trim_end().ends_with(']'), "{printed}");
}

#[test]
fn the_ten_lines_of_python_survive_odd_answers() {
    let odd = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    odd.set_read_timeout(Some(harness::PATIENCE)).unwrap();
    let code = block("python").replace("24254", &odd.local_addr().unwrap().port().to_string());
    let python = Command::new("python3").args(["-c", &code]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let python = python.expect("this test needs python3");
    for answer in [r#"[7,{},[],{"PleaseAlwaysReturnThisMessage":[NaN]}]"#, "[]"] {
        let mut buffer = [0; 1_000];
        let (length, from) = odd.recv_from(&mut buffer).unwrap();
        let asked: Result<Value, _> = serde_json::from_slice(&buffer[..length]);
        assert!(asked.is_ok(), "{}", String::from_utf8_lossy(&buffer[..length]));
        odd.send_to(answer.as_bytes(), from).unwrap();
    }
    let said = harness::finish(python);
    assert_eq!(said.success(), "[]");
}

#[test]
fn the_example_of_send_is_answered_as_shown() {
    let data = scratch();
    std::fs::create_dir(data.path().join("public")).unwrap();
    std::fs::write(data.path().join("public/hello.txt"), "Hello, swarm!\n").unwrap();
    let node = Node::start(data.path(), &[]);
    eventually("a shared file", || node.ask(["status"]).success().contains("1 shared").then_some(()));
    let (_, example) = README.split_once("$ cjp2p-node send 127.0.0.1 '").unwrap();
    let (array, rest) = example.split_once('\'').unwrap();
    let shown: Vec<&str> = rest.lines().skip(1).take_while(|line| !line.starts_with('$')).collect();
    let said = run(&["send", &node.address.to_string(), array, "--wait", "0.5"]);
    let names = |line: &str| -> Vec<String> {
        let (_, array) = line.split_once(": ").unwrap();
        let elements: Vec<serde_json::Map<String, Value>> = serde_json::from_str(array).unwrap();
        elements.iter().flat_map(|element| element.keys().cloned()).collect()
    };
    let seen: Vec<_> = said.success().lines().map(names).collect();
    assert_eq!(seen, shown.into_iter().map(names).collect::<Vec<_>>());
    let list = "[[\"758797dcb0ed4f75b3b8e74696b0779a4d4ea802ac9e2817bc38d16801de3101\",14]]";
    assert!(said.stdout.contains(list) && rest.contains(list));
}

#[test]
fn whoever_restores_the_backup_signs_nothing_a_second_time() {
    let (scratch, copy) = (scratch(), scratch());
    let (data, safe) = (scratch.path().to_str().unwrap(), copy.path().to_str().unwrap());
    let program = env!("CARGO_BIN_EXE_cjp2p-node");
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
        harness::finish(shell.spawn().unwrap())
    };
    let node = Node::start(scratch.path(), &[]);
    shell(&format!("echo sunny | {program} stream weather --data-dir {data}")).success();
    let published = node.ask(["publish", "README.md", "--as", "page", "--json"]);
    published.success();
    node.terminate();
    let (_, rest) = README.split_once("A backup").unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    let command = rest.lines().next().unwrap();
    assert!(command.contains("~/.local/share/cjp2p-node") && command.contains("/somewhere/safe"), "{command}");
    shell(&command.replace("~/.local/share/cjp2p-node", data).replace("/somewhere/safe", safe)).success();
    let node = Node::start(copy.path(), &[]);
    let again = shell(&format!("echo rainy | {program} stream weather --data-dir {safe}"));
    assert!(again.complaint().contains("there has been a stream weather"), "{again:?}");
    assert!(node.ask(["published"]).success().contains("page"));
    let anew = node.ask(["publish", "Cargo.toml", "--as", "page", "--json"]);
    let [before, after] = [&published, &anew].map(|said| said.json().remove(0));
    assert_eq!(after["key"], before["key"]);
    assert!(after["seq"].as_u64() > before["seq"].as_u64(), "{after} after {before}");
}

#[test]
fn the_limits_are_those_of_the_program() {
    let page = README.split_whitespace().collect::<Vec<_>>().join(" ");
    let thousands = |number: usize| format!("{},{:03}", number / 1_000, number % 1_000);
    for expected in [
        format!("{} peers, {} shared files", thousands(VERIFIED_MAX), thousands(SHARED_FILES_MAX)),
        format!("{} addresses to try", thousands(HEARD_MAX)),
        format!("at most {BURST} datagrams in the first minute"),
    ] {
        assert!(page.contains(&expected), "README.md has to say '{expected}'");
    }
}
