//! Starting the node: settings from the command line, the log, a few lines of welcome.

use super::address::check;
use super::options::Arguments;
use super::{Failure, hint};
use cjp2p_node::console::Output;
use cjp2p_node::data_dir::{DataDir, DataDirError, default_path, key_file, load_or_make_key};
use cjp2p_node::event_loop::{EventLoop, HostName, Remembered, Settings, bind, entropy, reachable};
use cjp2p_node::identity::Identity;
use cjp2p_node::node::{Config, GroupMemory};
use cjp2p_node::peers::address::{NAMED_PORT_MIN, is_possible, plain};
use cjp2p_node::request::{counted, host_name, peer_address};
use cjp2p_node::wire::PORT;
use log::LevelFilter;
use rustix::process::geteuid;
use std::fs;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The well-known nodes, to be tried first by whoever knows nobody.
const BOOTSTRAP: [&str; 4] = [
    "148.71.89.128:24254",
    "159.69.54.127:24254",
    "[2a01:4f8:c013:5bc5::1]:24254",
    "[2001:818:e876:f700:e008:c723:26f1:561f]:24254",
];

/// Runs the node until it is told to stop.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = Output::start(true, "").map_err(Failure::impossible)?;
    start_log(arguments.verbosity, output.clone());
    let ended = run_with(arguments, &output);
    output.close();
    output.flush();
    ended
}

fn run_with(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let place = Place { port: PORT, output: output.clone(), is_console: true, store_limit: arguments.store_limit };
    let Started { event_loop, path, remembered } = start(arguments, place)?.map_err(Failure::impossible)?;
    if arguments.verbosity >= 0 {
        let stop = way_to_stop(io::stdin().is_terminal(), event_loop.is_commanded(), &path);
        output.print(welcome(event_loop.address(), &path, remembered, &stop));
    }
    let remembered = event_loop
        .run()
        .map_err(|error| Failure::Impossible(format!("the system no longer tells us events: {error}")))?;
    output.close();
    match remembered {
        Remembered::Saved(_) if arguments.verbosity < 0 => {}
        Remembered::Saved(_) => output.print(remembered.to_string()),
        _ => return Err(Failure::impossible(remembered)),
    }
    Ok(())
}

/// Starts a node for a command that needs one for a moment, where none is running: it says nothing and listens to
/// nobody at the terminal.
pub(super) fn start_alone(arguments: &Arguments) -> Result<Result<EventLoop, DataDirError>, Failure> {
    let place = Place { port: 0, output: Output::silent(), is_console: false, store_limit: None };
    Ok(start(arguments, place)?.map(|started| started.event_loop))
}

/// In what surroundings a node is to run.
struct Place {
    /// Where it listens, unless the user says otherwise.
    port: u16,
    output: Output,
    is_console: bool,
    store_limit: Option<u64>,
}

/// A node that is about to run.
struct Started {
    event_loop: EventLoop,
    /// Where its data is, from the root.
    path: String,
    /// How many peers it remembers.
    remembered: usize,
}

/// Starts a node; or says why the data directory cannot be had.
fn start(arguments: &Arguments, place: Place) -> Result<Result<Started, DataDirError>, Failure> {
    let (peers, names) = peers(arguments)?;
    let data_dir = match DataDir::open(&own_path(arguments)?) {
        Ok(data_dir) => data_dir,
        Err(error) => return Ok(Err(error)),
    };
    let identity = own_key(arguments, data_dir.path())?;
    let socket = bind(arguments.bind, arguments.port.unwrap_or(place.port)).map_err(Failure::impossible)?;
    let named = peers.clone();
    let config = Config {
        identity: Some(identity),
        is_deaf: !place.is_console,
        ..config(arguments, peers, data_dir.load_peers())
    };
    let (path, remembered) = (data_dir.path().display().to_string(), config.remembered.len());
    let Place { output, is_console, store_limit, .. } = place;
    let settings = Settings { socket, config, named, names, data_dir, output, is_console, store_limit };
    let event_loop = EventLoop::start(settings);
    event_loop
        .map(|event_loop| Ok(Started { event_loop, path, remembered }))
        .map_err(|error| Failure::Impossible(format!("the system has no room for a node: {error}")))
}

/// Where the data is: where the user says, or where the platform's convention puts it.
pub(super) fn data_path(arguments: &Arguments) -> Result<PathBuf, Failure> {
    arguments.data_dir.clone().or_else(default_path).ok_or_else(|| {
        Failure::Mistake("there is no home directory to keep data in; name a place with --data-dir".to_owned())
    })
}

/// The same, from the root, where something there is to be opened or made. Whoever is not the owner would leave files
/// that the owner's node cannot read.
pub(super) fn own_path(arguments: &Arguments) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(data_path(arguments)?).map_err(Failure::impossible)?;
    // What is not there yet will be ours, and what cannot be looked at cannot be used either.
    match fs::metadata(&path).map(|found| found.uid()) {
        Ok(owner) if owner != geteuid().as_raw() => Err(Failure::Impossible(format!(
            "the data directory {} belongs to the user with the number {owner}, and this is done by its owner alone: \
             sudo -u '#{owner}' cjp2p-node …",
            path.display()
        ))),
        _ => Ok(path),
    }
}

/// The key of the data directory at `path`. A new one is told of: perhaps another directory was meant.
pub(super) fn own_key(arguments: &Arguments, path: &Path) -> Result<Identity, Failure> {
    let file = key_file(path);
    let is_new = fs::symlink_metadata(&file).is_err();
    let identity = load_or_make_key(path, entropy).map_err(Failure::impossible)?;
    if is_new {
        hint(arguments, &format!("made a new key in {}", file.display()));
    }
    Ok(identity)
}

/// All `--peer`, the addresses and the names of hosts, which the running node looks up: there may be no network yet.
fn peers(arguments: &Arguments) -> Result<(Vec<SocketAddr>, Vec<HostName>), Failure> {
    let (mut peers, mut names) = (Vec::new(), Vec::new());
    for text in &arguments.peers {
        check(text).map_err(Failure::Mistake)?;
        let is_peer = match (peer_address(text), host_name(text)) {
            (Ok(address), _) => {
                peers.push(plain(address));
                is_possible(plain(address))
            }
            (Err(_), Some((name, port))) => {
                names.push((name.to_owned(), port));
                port >= NAMED_PORT_MIN
            }
            (Err(why), None) => return Err(Failure::Mistake(why)),
        };
        if !is_peer {
            return Err(Failure::Mistake(format!(
                "--peer {text} cannot be the address of a peer: one host, and a port from 1024 on, are needed"
            )));
        }
    }
    Ok((peers, names))
}

fn config(arguments: &Arguments, peers: Vec<SocketAddr>, remembered: Vec<SocketAddr>) -> Config {
    let bootstrap = BOOTSTRAP.iter().filter(|_| !arguments.no_bootstrap).filter_map(|text| text.parse().ok());
    Config {
        contacts: peers.into_iter().chain(bootstrap).collect(),
        remembered,
        // From a loopback address there is no way into any network.
        lan: !arguments.no_lan && !arguments.bind.is_some_and(|ip| ip.is_loopback()),
        upload_limit: arguments.upload_limit,
        download_limit: arguments.download_limit,
        is_common: false,
        is_deaf: false,
        group: GroupMemory::default(),
        saves_group: true,
        identity: None,
        version: concat!("cjp2p-node ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// The log goes to standard error, by way of the thread that may wait for it.
fn start_log(verbosity: i32, output: Output) {
    let mut builder = env_logger::Builder::new();
    match (verbosity, std::env::var("RUST_LOG")) {
        (0, Ok(filters)) => builder.parse_filters(&filters),
        // Other crates write down what nobody asked for; RUST_LOG can have it.
        (verbosity, _) => {
            builder.filter_level(level(verbosity).min(LevelFilter::Warn)).filter_module("cjp2p_node", level(verbosity))
        }
    };
    let is_colourful = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    builder.write_style(if is_colourful { env_logger::WriteStyle::Always } else { env_logger::WriteStyle::Never });
    builder.format_target(false).target(env_logger::Target::Pipe(Box::new(output))).init();
}

fn level(verbosity: i32) -> LevelFilter {
    match verbosity {
        ..=-3 => LevelFilter::Off,
        -2 => LevelFilter::Error,
        -1 => LevelFilter::Warn,
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        2.. => LevelFilter::Trace,
    }
}

/// The lines that a user sees first.
fn welcome(address: SocketAddr, path: &str, remembered: usize, stop: &str) -> String {
    let near = reachable(address);
    // Some shells take square brackets for a pattern.
    let near = if near.is_ipv6() { format!("'{near}'") } else { near.to_string() };
    let peers = counted(remembered as u64, "peer");
    [
        format!("cjp2p-node {} listens on UDP {address}", env!("CARGO_PKG_VERSION")),
        format!("data  {path} ({peers} remembered; files in public/ are shared)"),
        format!("try   cjp2p-node send {near} '[{{\"PleaseSendPeers\":{{}}}}]'"),
        format!("stop  {stop}"),
    ]
    .join("\n")
}

/// How the user can stop the node from where they are; by a signal if commands do not reach it.
fn way_to_stop(is_typed_at: bool, is_commanded: bool, path: &str) -> String {
    match (is_typed_at, is_commanded) {
        (true, _) => "Ctrl-C; type /help and Enter for what else can be done".to_owned(),
        (false, true) => format!("cjp2p-node stop --data-dir '{}'", path.replace('\'', r"'\''")),
        (false, false) => format!("kill {}", std::process::id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bootstrap_address_can_be_read() {
        assert!(BOOTSTRAP.iter().all(|text| text.parse::<SocketAddr>().is_ok()));
        assert_eq!(config(&Arguments::default(), Vec::new(), Vec::new()).contacts.len(), BOOTSTRAP.len());
    }

    #[test]
    fn peers_are_addresses_and_names_and_nothing_else() {
        let read = |text: &str| peers(&Arguments { peers: vec![text.to_owned()], ..Arguments::default() });
        assert_eq!(read("192.0.2.1").unwrap(), (vec!["192.0.2.1:24254".parse().unwrap()], vec![]));
        assert_eq!(read("node.invalid:7000").unwrap(), (vec![], vec![("node.invalid".to_owned(), 7_000)]));
        for wrong in ["no..body", "192.0.2.1:80", "node.invalid:80", "224.0.0.1", "1.2.3"] {
            assert!(matches!(read(wrong), Err(Failure::Mistake(_))), "{wrong}");
        }
    }

    #[test]
    fn the_options_of_silence_are_heard() {
        let arguments = Arguments { no_bootstrap: true, no_lan: true, ..Arguments::default() };
        let config = config(&arguments, Vec::new(), Vec::new());
        assert!(config.contacts.is_empty() && !config.lan);
    }

    #[test]
    fn the_welcome_shows_an_address_that_works() {
        for (address, shown) in
            [("[::]:7000", "send 127.0.0.1:7000 '[{"), ("[2001:db8::1]:7000", "'[2001:db8::1]:7000'")]
        {
            let text = welcome(address.parse().unwrap(), "/data", 1, "Ctrl-C");
            assert!(text.contains(shown) && text.contains("1 peer remembered"), "{text}");
        }
    }

    #[test]
    fn only_who_can_type_is_told_what_to_type() {
        assert!(way_to_stop(true, true, "/data").contains("/help"));
        assert_eq!(way_to_stop(false, true, "/data"), "cjp2p-node stop --data-dir '/data'");
        assert_eq!(way_to_stop(false, true, "/a'b"), r"cjp2p-node stop --data-dir '/a'\''b'");
    }

    #[test]
    fn nobody_is_told_to_use_a_command_that_does_not_reach_the_node() {
        assert!([true, false].iter().all(|is_typed_at| !way_to_stop(*is_typed_at, false, "/data").contains("stop")));
    }
}
