//! The console at a terminal: editing, chat that comes meanwhile, and how the terminal is left.
//!
//! The terminal is a pseudo-terminal that Python makes, with a shell in it that looks at the settings before and after.

use crate::harness::{PATIENCE, eventually, scratch};
use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// Runs what it is told to in a terminal of its own, and copies.
const TERMINAL: &str = "import pty, sys; pty.spawn(sys.argv[1:])";

/// Runs a node and writes the settings of the terminal down. The traps keep the shell alive when Ctrl-C is for both.
const SHELL: &str = r#"trap : INT TERM; cd "$1" || exit; shift; stty -a > before; "$@"; code=$?
    stty -a > after.new; mv after.new after; echo "ended with $code"; read -r rest; echo "then came [$rest]""#;

/// A node at a terminal.
struct Typist {
    child: Child,
    keys: ChildStdin,
    printed: Arc<Mutex<Vec<u8>>>,
    folder: PathBuf,
    address: SocketAddr,
    pid: i32,
}

impl Typist {
    /// Starts a node.
    fn sit_down(folder: &Path, peers: &[SocketAddr], options: &[&str]) -> Typist {
        let mut arguments: Vec<String> =
            ["--no-bootstrap", "--no-lan", "--port", "0", "--bind", "127.0.0.1"].map(str::to_owned).to_vec();
        arguments.extend(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]));
        arguments.extend(options.iter().map(|option| (*option).to_owned()));
        Typist::start(folder, &folder.join("data"), &arguments)
    }

    /// Starts a chat beside the node that keeps its data here.
    fn join(folder: &Path, data: &Path) -> Typist {
        Typist::start(folder, data, &["chat".to_owned()])
    }

    fn start(folder: &Path, data: &Path, arguments: &[String]) -> Typist {
        let mut command = Command::new("python3");
        command.args(["-c", TERMINAL, "sh", "-c", SHELL, "sh"]).arg(folder).arg(env!("CARGO_BIN_EXE_cjp2p-node"));
        command.args(arguments).arg("--data-dir").arg(data);
        command.env("TERM", "xterm").env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("this test needs python3");
        let printed = Arc::new(Mutex::new(Vec::new()));
        let (mut output, sink) = (child.stdout.take().unwrap(), printed.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        let file: serde_json::Value = eventually("a node that says where it is", || {
            serde_json::from_slice(&fs::read(data.join("node.json")).ok()?).ok()
        });
        let keys = child.stdin.take().unwrap();
        let address = file["udp"].as_str().unwrap().parse().unwrap();
        let pid = i32::try_from(file["pid"].as_u64().unwrap()).unwrap();
        let typist = Typist { child, keys, printed, folder: folder.to_owned(), address, pid };
        typist.sees("> ");
        typist
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn screen(&self) -> Vec<String> {
        rows(&String::from_utf8_lossy(&self.printed.lock().unwrap()))
    }

    /// Waits until this is part of a row of the screen.
    fn sees(&self, part: &str) {
        let start = std::time::Instant::now();
        while !self.screen().iter().any(|row| row.contains(part)) {
            assert!(start.elapsed() < PATIENCE, "'{part}' is not on the screen: {:#?}", self.screen());
            thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn resize(&self, columns: usize) {
        let terminal = fs::read_link(format!("/proc/{}/fd/0", self.pid)).unwrap();
        let set = Command::new("stty").arg("-F").arg(terminal).args(["cols", &columns.to_string()]).status();
        assert!(set.unwrap().success());
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_raw(self.pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end of the node, and checks that the terminal is as it was. Returns the last screen.
    fn leave(mut self) -> Vec<String> {
        let after = eventually("the end", || fs::read_to_string(self.folder.join("after")).ok());
        assert_eq!(after, fs::read_to_string(self.folder.join("before")).unwrap());
        self.sees("ended with 0");
        self.press("as usual\n");
        self.sees("then came [as usual]");
        self.screen()
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        // Whoever is still there loses the terminal with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a terminal with endless rows shows after `text`: the few sequences that the console uses, and no others.
fn rows(text: &str) -> Vec<String> {
    let mut rows = vec![Vec::new()];
    let (mut column, mut saved) = (0, 0);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let row: &mut Vec<char> = rows.last_mut().unwrap();
        match letter {
            '\r' => column = 0,
            '\n' => rows.push(Vec::new()),
            '\u{1b}' => {
                match letters.next() {
                    Some('[') => {}
                    Some('7') => {
                        saved = column;
                        continue;
                    }
                    Some('8') => {
                        column = saved;
                        continue;
                    }
                    other => panic!("{other:?}"),
                }
                let parameter: String = letters.by_ref().take_while(char::is_ascii_digit).collect();
                // The digits end with the letter of the command, which is gone with them.
                if parameter.is_empty() { row.truncate(column) } else { column += parameter.parse::<usize>().unwrap() }
            }
            _ => {
                row.resize(row.len().max(column + 1), ' ');
                row[column] = letter;
                column += 1;
            }
        }
    }
    rows.into_iter().map(|row| row.into_iter().collect()).collect()
}

#[test]
fn what_comes_meanwhile_does_not_land_in_what_is_being_typed() {
    let (first, second) = (scratch(), scratch());
    let mut alice = Typist::sit_down(first.path(), &[], &[]);
    let mut bob = Typist::sit_down(second.path(), &[alice.address], &[]);
    bob.press("/peers\r");
    eventually("two who know each other", || {
        bob.press("/peers\r");
        thread::sleep(std::time::Duration::from_millis(100));
        bob.screen().iter().any(|row| row.starts_with(&alice.address.to_string())).then_some(())
    });
    alice.press("I was about to sy\u{1b}[Da");
    alice.sees("> I was about to say");
    bob.press("hello alice\r");
    bob.sees("said to 1 neighbour");
    eventually("the line of the other, whole", || {
        let is_line = |row: &String| row.contains("[main] ") && row.ends_with("…> hello alice");
        alice.screen().iter().any(is_line).then_some(())
    });
    assert_eq!(alice.screen().last().unwrap(), "> I was about to say");
    alice.press(" something\r");
    alice.sees("> I was about to sa somethingy");
    alice.press("\u{1b}[A\u{1b}[F!\r");
    alice.sees("> I was about to sa somethingy!");
    eventually("both lines at the other's", || {
        let heard = |text: &str| bob.screen().iter().any(|row| row.ends_with(text));
        (heard("> I was about to sa somethingy") && heard("> I was about to sa somethingy!")).then_some(())
    });
    let long = "a long line ".repeat(20);
    alice.press(&format!("{long}end"));
    alice.sees("a long line end");
    assert!(alice.screen().last().unwrap().chars().count() <= 80, "{:?}", alice.screen().last());
    alice.press("\r");
    alice.sees(&format!("> {long}end"));
    bob.press("/quit\r");
    assert!(bob.leave().iter().any(|row| row == "stopping"));
    alice.press("/quit\r");
    alice.leave();
}

#[test]
fn the_terminal_is_left_as_it_was_however_the_node_ends() {
    use rustix::process::Signal;
    for ending in ["\u{3}", "half a line\u{3}", "/quit\r", "\u{4}\u{3}", "TERM", "half a line TERM", "HUP"] {
        let folder = scratch();
        let mut node = Typist::sit_down(folder.path(), &[], &[]);
        match ending {
            "HUP" => node.signal(Signal::HUP),
            _ if ending.ends_with("TERM") => {
                // Keys that arrive after the end would be the shell's.
                let keys = ending.strip_suffix("TERM").unwrap();
                node.press(keys);
                node.sees(&format!("> {keys}"));
                node.signal(Signal::TERM);
            }
            "\u{4}\u{3}" => {
                node.press("\u{4}");
                node.sees("no more commands from here; the node goes on. Stop it with Ctrl-C");
                node.press("\u{3}");
            }
            keys => node.press(keys),
        }
        let screen = node.leave();
        assert!(screen.iter().any(|row| row.contains("stopped; 0 peers remembered")), "{ending:?}: {screen:#?}");
        assert!(!screen.iter().any(|row| row.starts_with("> ended") || row.starts_with("> stopped")), "{screen:#?}");
        let notices = screen.iter().filter(|row| row.contains("no more commands")).count();
        assert_eq!(notices, usize::from(ending.starts_with('\u{4}')), "{ending:?}: {screen:#?}");
    }
}

#[test]
fn a_terminal_that_is_stopped_stops_nobody() {
    let folder = scratch();
    let mut node = Typist::sit_down(folder.path(), &[], &[]);
    node.press("half");
    node.sees("> half");
    // Ctrl-S: from now on nothing can be printed, not even the last line.
    node.press("\u{13}");
    thread::sleep(std::time::Duration::from_millis(300));
    node.signal(rustix::process::Signal::TERM);
    eventually("the end of the node", || (!folder.path().join("data/node.json").exists()).then_some(()));
    eventually("the end of the process", || {
        rustix::process::test_kill_process(rustix::process::Pid::from_raw(node.pid).unwrap()).is_err().then_some(())
    });
    node.press("\u{11}");
    node.leave();
}

#[test]
fn who_suspends_the_node_gets_the_terminal_and_the_line_back() {
    let folder = scratch();
    let mut node = Typist::sit_down(folder.path(), &[], &[]);
    // Nobody can be stopped here, as no shell could let us go on; the line is there again all the same.
    node.press("/hel\u{1a}");
    node.press("p\r");
    node.sees("  /quit");
    assert!(node.screen().iter().any(|row| row == "> /help"), "{:#?}", node.screen());
    node.press("/quit\r");
    node.leave();
}

#[test]
fn a_line_in_a_terminal_that_becomes_narrower_or_wider_is_drawn_anew() {
    let folder = scratch();
    let mut node = Typist::sit_down(folder.path(), &[], &[]);
    let long = "x".repeat(60);
    node.press(&long);
    node.sees(&format!("> {long}"));
    for (columns, length, up) in [(30, 15, "\u{1b}[2A\r\u{1b}[J"), (100, 62, "\r\u{1b}[K")] {
        let before = node.printed.lock().unwrap().len();
        node.resize(columns);
        eventually("a line as long as there is room", || {
            (node.screen().last().unwrap().chars().count() == length).then_some(())
        });
        let printed = String::from_utf8_lossy(&node.printed.lock().unwrap()[before..]).into_owned();
        assert!(printed.starts_with(up), "{printed:?}");
    }
    node.press("\u{15}\u{1f469}\u{200d}\u{1f467}!\u{1b}[D\u{7f}?\r");
    node.sees("> ?!");
    // As it was found.
    node.resize(0);
    node.press("/quit\r");
    node.leave();
}

#[test]
fn in_a_chat_what_comes_lands_above_what_is_typed_and_what_is_said_is_seen_once() {
    let (alices, bobs, chats) = (scratch(), scratch(), scratch());
    let alice = crate::harness::Node::start(alices.path(), &[]);
    let bob = crate::harness::Node::start(bobs.path(), &[alice.address]);
    alice.wait_for_peer(bob.address);
    let mut chat = Typist::join(chats.path(), alices.path());
    chat.sees("Ctrl-D leaves");
    chat.press("I was about to sy\u{1b}[Da");
    chat.sees("> I was about to say");
    let said = crate::control::converse(bobs.path(), b"{\"command\":\"/say main hello alice\"}\n");
    assert!(said.contains("done"), "{said}");
    let bobs = bob.ask(["id"]).success()[..16].to_owned();
    chat.sees(&format!("[main] {bobs}…> hello alice"));
    assert_eq!(chat.screen().last().unwrap(), "main> I was about to say");
    chat.press("\u{5} something\r");
    chat.sees("[main] me> I was about to say something");
    let screen = chat.screen();
    assert_eq!(screen.iter().filter(|row| row.contains("I was about to say")).count(), 1, "{screen:#?}");
    assert!(screen.last().unwrap().starts_with("main>"), "{screen:#?}");
    // The line before comes back, a command stays where it was typed.
    chat.press("\u{1b}[A");
    chat.sees("> I was about to say something");
    chat.press("\u{15}/peers\r");
    chat.sees("main> /peers");
    chat.sees(&bob.address.to_string());
    chat.press("\u{4}");
    let screen = chat.leave();
    assert!(!screen.iter().any(|row| row.starts_with("main> ended")), "{screen:#?}");
    assert!(alice.ask(["status"]).status.success(), "the node goes on");
}

#[test]
fn the_first_line_of_a_chat_says_whether_it_is_private_open_or_a_group() {
    let data = scratch();
    let node = crate::harness::Node::start(data.path(), &[]);
    let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let named = format!("{{\"command\":\"/name {key} bob\"}}\n");
    assert!(crate::control::converse(data.path(), named.as_bytes()).contains("is called bob now"));
    let (long, cut) = ("x".repeat(60), format!("{}…> ", "x".repeat(16)));
    for (whom, about, prompt) in [
        (Some("bob"), "bob, in private: nobody on the way can read it; type", "bob (private)> "),
        (Some("bbo"), "the group bbo, which everybody can read; type and press Enter", "bbo> "),
        (Some(&*long), "which everybody can read; type and press Enter", &cut),
        (
            Some("192.0.2.7"),
            "192.0.2.7:24254, in the open: whoever is on the way can read it; type",
            "192.0.2.7:24254 (open)> ",
        ),
        (None, "everything; what you say goes to the group main, which everybody can read; type", "main> "),
    ] {
        let chats = scratch();
        let words: Vec<String> = ["chat"].into_iter().chain(whom).map(str::to_owned).collect();
        let mut chat = Typist::start(chats.path(), data.path(), &words);
        chat.sees(about);
        chat.press("half");
        chat.sees(&format!("{prompt}half"));
        assert_eq!(chat.screen().last().unwrap(), &format!("{prompt}half"));
    }
    assert!(node.ask(["status"]).status.success());
}

#[test]
fn whatever_ends_a_chat_what_comes_next_begins_on_a_row_of_its_own() {
    let data = scratch();
    let node = crate::harness::Node::start(data.path(), &[]);
    for ending in ["\u{3}", "half a line\u{3}", "/quit\r", "\u{4}"] {
        let folder = scratch();
        let mut chat = Typist::join(folder.path(), data.path());
        chat.sees("Ctrl-D leaves");
        if let Some(typed) = ending.strip_suffix('\u{3}') {
            chat.press(typed);
            chat.sees(&format!("> {typed}"));
        }
        chat.press(if ending.ends_with('\u{3}') { "\u{3}" } else { ending });
        let screen = chat.leave();
        assert!(screen.iter().any(|row| row == "ended with 0"), "{ending:?}: {screen:#?}");
        assert!(!screen.iter().any(|row| row.contains("half a line") && row.contains("ended")), "{screen:#?}");
    }
    assert!(node.ask(["status"]).status.success(), "the node goes on");
}
