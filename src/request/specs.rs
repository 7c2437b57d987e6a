//! The table of commands, and the list of them that a person sees.
//!
//! What comes after the name of a command is read by `arguments` and `address`; nothing is carried out here.

use super::address::typed_address;
use super::arguments::{get, host_or_author, id_and_waiter, key, message, name, none, say, seek};
use super::{Request, is_title, streams, typed_title};
use crate::wire::PORT;
use std::fmt::Write;

/// The command by which a program hears what is said.
pub const LISTEN: &str = "/listen";

/// A command that can be typed.
pub(super) struct Spec {
    pub(super) name: &'static str,
    arguments: &'static str,
    help: &'static str,
    pub(super) parse: fn(&str) -> Result<Request, String>,
}

impl Spec {
    /// What to ask the user who left out the only argument.
    pub(super) fn question(&self) -> Option<String> {
        let (what, example) = match self.arguments {
            "ADDR" => ("which address", format!("192.0.2.1:{PORT}")),
            "IP/KEY" => ("which IP address or whose key", "192.0.2.1; /name lists whose are ignored".to_owned()),
            "KEY" => ("whose", "alice".to_owned()),
            "ID" => ("which content", "ID: 64 hex digits (SHA-256), or blake3/ and 64 hex digits".to_owned()),
            "WHAT" => ("which content", "ID, or KEY/NAME, or alice/NAME".to_owned()),
            _ => return None,
        };
        Some(format!("{what}, like {} {example}", self.name))
    }
}

/// All that people type, in the order of `/help`.
pub(super) const SPECS: &[Spec] = &[
    Spec { name: "/peers", arguments: "", help: "who is there", parse: |rest| none(rest, Request::Peers) },
    Spec {
        name: "/add",
        arguments: "ADDR",
        help: "make contact with an address",
        parse: |rest| typed_address(rest).map(Request::Add),
    },
    Spec { name: "/say", arguments: "GROUP TEXT", help: "say something in a group", parse: say },
    Spec {
        name: "/msg",
        arguments: "KEY TEXT",
        help: "say something in private, or to an ADDR in the open",
        parse: message,
    },
    Spec {
        name: "/sent",
        arguments: "",
        help: "private messages since the node started, and what became of them",
        parse: |rest| none(rest, Request::Sent),
    },
    Spec {
        name: "/name",
        arguments: "KEY NAME",
        help: "call a key so; alone, list the names and who is ignored",
        parse: name,
    },
    Spec {
        name: "/unname",
        arguments: "KEY",
        help: "take the name of a key away",
        parse: |rest| key(rest).map(Request::UnnamePerson),
    },
    Spec {
        name: "/ping",
        arguments: "ADDR",
        help: "measure the round trip to a peer",
        parse: |rest| typed_address(rest).map(Request::Ping),
    },
    Spec {
        name: "/ignore",
        arguments: "IP/KEY",
        help: "show nothing more from an IP address (of IPv6, its /64), or proven to be by a key",
        parse: |rest| host_or_author(rest, Request::Ignore, Request::IgnoreAuthor),
    },
    Spec {
        name: "/heed",
        arguments: "IP/KEY",
        help: "show it again",
        parse: |rest| host_or_author(rest, Request::Heed, Request::HeedAuthor),
    },
    Spec {
        name: "/files",
        arguments: "",
        help: "what is shared, and in which files",
        parse: |rest| none(rest, Request::Files),
    },
    Spec {
        name: "/listed",
        arguments: "",
        help: "what others share and recommend; they are asked anew",
        parse: |rest| none(rest, Request::Listed),
    },
    Spec {
        name: "/get",
        arguments: "WHAT",
        help: "fetch a content by its ID, or KEY/NAME, which is kept up to date",
        parse: get,
    },
    Spec {
        name: "/unget",
        arguments: "WHAT",
        help: "stop fetching it, or keeping it up to date; what is there stays",
        parse: |rest| match is_title(rest) {
            true => typed_title(rest).map(Request::Unfollow),
            false => id_and_waiter(rest).map(|(id, waiter)| Request::Unget { id, waiter }),
        },
    },
    Spec {
        name: "/seek",
        arguments: "S KEY/NAME",
        help: "the same as /get, looking for it for S seconds",
        parse: seek,
    },
    Spec {
        name: "/published",
        arguments: "",
        help: "which names are published and kept up to date",
        parse: |rest| {
            if rest.is_empty() {
                Ok(Request::Titles(None))
            } else {
                typed_title(rest).map(|it| Request::Titles(Some(it)))
            }
        },
    },
    Spec {
        name: "/drop",
        arguments: "ID",
        help: "throw away what is there of it, if it is not being fetched",
        parse: |rest| id_and_waiter(rest).map(|(id, waiter)| Request::Drop { id, waiter }),
    },
    Spec {
        name: "/fetching",
        arguments: "",
        help: "what is being fetched, and what became of it",
        parse: |rest| none(rest, Request::Fetching),
    },
    Spec { name: "/look", arguments: "", help: "look for new files at once", parse: |rest| none(rest, Request::Look) },
    Spec { name: "/status", arguments: "", help: "how the node is doing", parse: |rest| none(rest, Request::Status) },
    Spec { name: "/help", arguments: "", help: "this list", parse: |rest| none(rest, Request::Help) },
    Spec {
        name: "/quit",
        arguments: "",
        help: "save and stop; in 'cjp2p-node chat', leave it, and the node goes on",
        parse: |rest| none(rest, Request::Quit),
    },
];

/// What `chat`, `stream` and `follow` say, and nobody types.
pub(super) const FOR_PROGRAMS: &[Spec] = &[
    Spec {
        name: LISTEN,
        arguments: "[WHOM]",
        help: "what is said, lately and from now on",
        parse: |rest| Ok(Request::Listen(rest.to_owned())),
    },
    Spec { name: "/stream", arguments: "JSON", help: "what is to be done about a stream", parse: streams::parse },
];

/// What `/help` says.
pub fn help() -> String {
    let mut text = String::new();
    for spec in SPECS {
        let usage = format!("{} {}", spec.name, spec.arguments);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {usage:16}  {}", spec.help);
    }
    text.push_str(
        "  anything else     is said in the group main, or to whom a chat is with; //x is said as /x\n\
        Times are in UTC.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn help_names_every_command_for_people_and_none_for_programs() {
        assert!(SPECS.iter().all(|spec| help().contains(spec.name)));
        for spec in FOR_PROGRAMS {
            assert!(!help().contains(spec.name));
            assert!(!parse(spec.name).is_err_and(|why| why.contains("there is no command")), "{}", spec.help);
        }
    }
}
