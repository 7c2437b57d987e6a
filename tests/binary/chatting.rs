//! `chat`: talking beside nodes that run in the background.

use crate::control::converse;
use crate::harness::{Node, PATIENCE, binary, eventually, finish, scratch};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A chat over pipes: what is said is read line by line.
struct Talker {
    child: Child,
    keys: Option<ChildStdin>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Talker {
    fn begin(data_dir: &Path, whom: &[&str]) -> Talker {
        let mut command = binary();
        command.arg("chat").args(whom).arg("--data-dir").arg(data_dir).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (output, heard) = (child.stdout.take().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let sink = heard.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        let keys = child.stdin.take();
        Talker { child, keys, heard }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.keys.as_mut().unwrap(), "{line}").unwrap();
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until a line ends like this.
    fn hears(&self, end: &str) {
        eventually(end, || self.heard().iter().any(|line| line.ends_with(end)).then_some(()));
    }

    /// Waits for the end. Returns whether it was a good one, and what was said to the user about it.
    fn ends(mut self) -> (bool, String) {
        drop(self.keys.take());
        let said = finish(self.child);
        (said.status.success(), said.stderr)
    }
}

/// Two nodes that know each other.
fn pair(first: &Path, second: &Path) -> (Node, Node) {
    let one = Node::start(first, &[]);
    let other = Node::start(second, &[one.address]);
    other.wait_for_peer(one.address);
    one.wait_for_peer(other.address);
    (one, other)
}

/// How the key of a node is shown to those who have given it no name.
fn shown(node: &Node) -> String {
    format!("{}…", &node.ask(["id"]).success()[..16])
}

#[test]
fn two_talk_beside_their_nodes_and_see_what_both_have_said() {
    let (first, second) = (scratch(), scratch());
    let (one, other) = pair(first.path(), second.path());
    let (mut alice, mut bob) = (Talker::begin(first.path(), &[]), Talker::begin(second.path(), &["main"]));
    alice.say("hello bob");
    bob.hears(&format!("[main] {}> hello bob", shown(&one)));
    alice.hears("[main] me> hello bob");
    bob.say("//hello");
    alice.hears(&format!("[main] {}> /hello", shown(&other)));
    alice.say("/nonsense");
    alice.say("/help");
    alice.hears("in 'cjp2p-node chat', leave it, and the node goes on");
    // A command goes to the node, its answer to whoever has typed it.
    bob.say("/status");
    bob.hears(&format!("UDP {}", other.address));
    assert!(!alice.heard().iter().any(|line| line.starts_with("listens on")));
    assert!(bob.ends().0);
    alice.say("/quit");
    let (ended_well, said) = alice.ends();
    assert!(ended_well && said.contains("there is no command /nonsense; /help lists them"), "the chat ends: {said}");
    assert!(one.ask(["status"]).status.success(), "and the node goes on");
}

#[test]
fn who_comes_later_reads_what_was_said_in_the_group_and_nothing_else() {
    let (first, second) = (scratch(), scratch());
    let (one, _other) = pair(first.path(), second.path());
    for line in ["/say club the first", "/say main elsewhere", "/say club the second"] {
        assert!(converse(first.path(), format!("{{\"command\":\"{line}\"}}\n").as_bytes()).contains("{\"done\":"));
    }
    let late = Talker::begin(second.path(), &["#club"]);
    late.hears("the second");
    let lines: Vec<String> = late.heard().iter().map(|line| line.chars().skip("12:34:56 ".len()).collect()).collect();
    assert_eq!(lines, ["first", "second"].map(|text| format!("[club] {}> the {text}", shown(&one))));
    let own = Talker::begin(first.path(), &["club"]);
    own.hears("[club] me> the second");
}

#[test]
fn a_chat_with_one_person_is_private_and_says_what_was_seen() {
    let (first, second) = (scratch(), scratch());
    let (one, other) = pair(first.path(), second.path());
    let (alices, bobs) = (one.ask(["id"]).success().to_owned(), other.ask(["id"]).success().to_owned());
    // Who has not met them by key yet finds them by it.
    let mut bob = Talker::begin(second.path(), &[&alices]);
    bob.say(&format!("/name {alices} alice"));
    bob.hears("is called alice now");
    bob.say("only for you");
    bob.hears("me to alice> only for you");
    bob.hears("alice has seen: only for you");
    // The beginning of a key that is known is enough.
    let alice = Talker::begin(first.path(), &[&bobs[..10]]);
    alice.hears(&format!("{}… (private)> only for you", &bobs[..16]));
    converse(second.path(), b"{\"command\":\"/say main for all\"}\n");
    let everything = Talker::begin(first.path(), &[]);
    everything.hears("for all");
    everything.hears("only for you");
    assert_eq!(alice.heard().len(), 1, "{:?}", alice.heard());
    // By name, too, and only what was said between the two.
    let again = Talker::begin(second.path(), &["alice"]);
    again.hears("alice has seen: only for you");
    assert!(!again.heard().iter().any(|line| line.contains("for all")));
    let wrong = one.ask(["chat", "0123456789abcdef"]);
    assert!(wrong.complaint().contains("no key that is known here begins with 0123456789abcdef"), "{wrong:?}");
}

#[test]
fn a_chat_ends_with_its_node_and_says_so() {
    let folder = scratch();
    let node = Node::start(folder.path(), &[]);
    let mut chat = Talker::begin(folder.path(), &[]);
    chat.say("/peers");
    chat.hears("no verified peers yet");
    chat.say("hello?");
    // What was asked after it is answered after it.
    chat.say("/files");
    chat.hears("/public");
    assert!(node.terminate().status.success());
    let said = finish(chat.child);
    assert_eq!((said.status.code(), said.stderr.lines().last()), (Some(1), Some("cjp2p-node: the node has stopped")));
    assert!(said.stderr.contains("cjp2p-node: no verified peer is in reach yet: hello?\n"), "{said:?}");
}

#[test]
fn a_signal_ends_a_chat_in_order() {
    let folder = scratch();
    let _node = Node::start(folder.path(), &[]);
    for signal in [Signal::INT, Signal::TERM] {
        let mut chat = Talker::begin(folder.path(), &[]);
        chat.say("/peers");
        chat.hears("no verified peers yet");
        rustix::process::kill_process(rustix::process::Pid::from_child(&chat.child), signal).unwrap();
        assert!(finish(chat.child).status.success());
    }
}

#[test]
fn what_is_no_chat_is_refused_in_one_line() {
    let folder = scratch();
    let nobody = finish(binary().args(["chat", "--data-dir"]).arg(folder.path()).spawn().unwrap());
    assert!(nobody.complaint().contains("no node is running on"), "{nobody:?}");
    let node = Node::start(folder.path(), &[]);
    assert!(node.ask(["chat", "two words"]).complaint().contains("'two words' is no name of a group"));
    assert_eq!(node.ask(["chat", "one", "two"]).status.code(), Some(2));
}

#[test]
fn those_who_listen_leave_room_for_commands_and_make_room_when_they_go() {
    let folder = scratch();
    let node = Node::start(folder.path(), &[]);
    let listen = || {
        let mut stream = UnixStream::connect(folder.path().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"{\"command\":\"/listen\"}\n").unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        (stream, line)
    };
    let mut guests: Vec<_> = (0..4).map(|_| listen()).collect();
    assert!(guests.iter().all(|(_, line)| line.contains("listening")));
    assert!(listen().1.contains("4 listen already"), "one too many");
    // They may stay for longer than a conversation, and are no reason to send anybody else away.
    thread::sleep(Duration::from_secs(6));
    for _ in 0..20 {
        assert!(node.ask(["status"]).status.success());
    }
    guests.pop();
    eventually("the place of who has gone", || listen().1.contains("listening").then_some(()));
}

#[test]
fn who_says_more_in_a_pipe_than_others_hear_waits_and_each_line_is_heard_in_order() {
    let (first, second) = (scratch(), scratch());
    let (_one, _other) = pair(first.path(), second.path());
    let bob = Talker::begin(second.path(), &["main"]);
    let mut talker = Talker::begin(first.path(), &["main"]);
    (0..8).for_each(|n| talker.say(&format!("line {n}")));
    // Commands wait for their turn too.
    talker.say("/say main line 8");
    let (ended_well, said) = talker.ends();
    assert!(ended_well && said.lines().count() == 1, "{said}");
    bob.hears("line 8");
    let heard = bob.heard();
    let texts: Vec<&str> = heard.iter().filter_map(|line| Some(line.split_once("> ")?.1)).collect();
    assert_eq!(texts, (0..9).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

#[test]
fn in_a_pipe_only_the_first_character_of_a_line_makes_it_a_command() {
    let (first, second) = (scratch(), scratch());
    let (_one, _other) = pair(first.path(), second.path());
    let mut talker = Talker::begin(first.path(), &["main"]);
    for line in [" /quit", "\u{a0}/quit", "\t//two", "//quit"] {
        talker.say(line);
    }
    for end in ["me> /quit", "me> //two"] {
        talker.hears(end);
    }
    eventually("the rest", || (talker.heard().len() == 4).then_some(()));
    let said = talker.heard().iter().filter(|line| line.ends_with("me> /quit")).count();
    assert_eq!(said, 3, "{:?}", talker.heard());
    assert!(talker.ends().0);
}

#[test]
fn a_line_that_a_stopped_node_has_not_taken_is_told_by_the_exit_code() {
    let folder = scratch();
    let mut node = Node::start(folder.path(), &[]);
    let mut talker = Talker::begin(folder.path(), &["main"]);
    talker.say("/peers");
    talker.hears("no verified peers yet");
    node.signal(Signal::STOP);
    talker.say("hello");
    let (ended_well, said) = talker.ends();
    node.signal(Signal::CONT);
    let why = said.lines().last().unwrap_or_default();
    assert!(!ended_well && why.contains("does not answer") && why.ends_with(": hello"), "{said}");
}

#[test]
fn a_pipe_is_told_who_reads_what_it_says_and_that_a_command_in_it_was_refused() {
    let (first, second) = (scratch(), scratch());
    let (_one, _other) = pair(first.path(), second.path());
    for (line, is_good) in [("hello", true), ("//etc/motd changed", true), ("/etc/motd changed", false)] {
        let mut talker = Talker::begin(first.path(), &["#alcie"]);
        talker.say(line);
        if is_good {
            talker.hears(line.strip_prefix('/').unwrap_or(line));
        }
        let (ended_well, said) = talker.ends();
        assert_eq!(ended_well, is_good, "{line}");
        let why: Vec<&str> = said.lines().skip(1).collect();
        assert!(said.contains("group alcie") && why.len() == usize::from(!is_good), "{said}");
        assert!(why.iter().all(|why| why.ends_with("there is no command /etc/motd; /help lists them")), "{said}");
    }
}

#[test]
fn a_pipe_says_nothing_where_nobody_speaks_unless_a_group_is_meant() {
    let (first, second) = (scratch(), scratch());
    let (one, _other) = pair(first.path(), second.path());
    let said = one.ask(["chat", "alcie"]);
    let why = "nobody is called alcie, and nothing was said lately in a group of that name; '#alcie' is the group";
    assert!(said.complaint().contains(why) && said.status.code() == Some(1), "{said:?}");
    let mut deliberate = Talker::begin(first.path(), &["#alcie"]);
    deliberate.say("hello");
    deliberate.hears("[alcie] me> hello");
    assert!(deliberate.ends().0);
    // Now it is a group in which something is said, and those of a name or of all are meant in any case.
    for whom in [&["alcie"][..], &["main"], &[]] {
        assert!(one.ask([&["chat"], whom].concat()).status.success(), "{whom:?}");
    }
}
