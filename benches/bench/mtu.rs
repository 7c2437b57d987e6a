//! The same file over links of 1,500 bytes, in networks that are made for it: what larger blocks, or blocks that need
//! no fragments and are sent many at a time, are worth against blocks of 4,096 bytes that are sent one by one.
//!
//! Both are carried by the same node, on both sides; the one to compare with is told to ignore our own words, so that
//! it is asked in the common ones. The plain tools are beside it on the loopback, to show that the node is no straw
//! man; and an asker of the wild shows that its blocks arrive.

use crate::process::port_of_node;
use crate::transfer::{FILE_BYTES, Guard, NODE, Tool, free_port, make_file, report, scratch, share, wait_for_share};
use cjp2p_node::console::Output;
use cjp2p_node::data_dir::DataDir;
use cjp2p_node::event_loop::{EventLoop, Settings, bind};
use cjp2p_node::node::Config;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ROUNDS: usize = 3;

/// Two networks with a link between them.
struct Networks {
    near: Guard,
    far: Guard,
}

/// Where the file is carried.
struct Place {
    name: &'static str,
    /// The address of the server.
    ip: &'static str,
    /// What runs a program in the network of the server, and in that of the one who fetches.
    server: Vec<String>,
    client: Vec<String>,
}

/// Measures and prints.
pub fn measure() {
    println!("\n== mtu, {} MiB over links of 1,500 bytes, {ROUNDS} rounds, medians", FILE_BYTES >> 20);
    let Some(networks) = Networks::make() else {
        println!(
            "  skipped: no networks can be made here (unshare, nsenter and ip, and leave to use them, are needed)"
        );
        return;
    };
    let (near, far) = (enter(&networks.near.0), enter(&networks.far.0));
    for place in [
        Place { name: "within one namespace", ip: "127.0.0.1", server: near.clone(), client: near.clone() },
        Place { name: "between two namespaces", ip: "10.9.0.2", server: far, client: near },
    ] {
        println!("  {}:", place.name);
        measure_at(&place);
    }
}

fn measure_at(place: &Place) {
    let scratch = scratch();
    let folder = scratch.path();
    make_file(&folder.join("file"));
    let own = std::env::current_exe().unwrap().display().to_string();
    let [ours, common, wild] = ["ours", "common", "wild"].map(|name| folder.join(name));
    let mut command = within(&place.server, NODE);
    command.args(["--no-bootstrap", "--no-lan", "--port", "0", "-q", "--bind", place.ip, "--data-dir"]).arg(&ours);
    let mut tools = vec![serve("node to node", command, folder, &ours, |port, id| place.get(port, id))];
    let mut command = within(&place.server, &own);
    command.args(["--common-node", place.ip]).arg(&common);
    tools.push(serve("blocks of 4,096 alone", command, folder, &common, |port, id| place.get(port, id)));
    let mut command = within(&place.server, NODE);
    command.args(["--no-bootstrap", "--no-lan", "--port", "0", "-q", "--bind", place.ip, "--data-dir"]).arg(&wild);
    let asker = format!("{} {own} --wild-fetch", place.client.join(" "));
    let fetch = |port, id: &str| format!("{asker} {} {id} out", place.address(port));
    tools.push(serve("an asker of the wild", command, folder, &wild, fetch));
    if place.ip == "127.0.0.1" {
        let port = free_port();
        let mut command = within(&place.server, &own);
        command.arg("--plain-serve").arg(port.to_string()).arg(folder.join("file"));
        let fetch = format!("{} {own} --plain-fetch {port} {FILE_BYTES} out", place.client.join(" "));
        tools.push(Tool::new("plain serde and base64", Some(command), fetch));
    }
    let rounds: Vec<_> = (0..ROUNDS).map(|_| tools.iter().map(|tool| tool.run(folder)).collect()).collect();
    report(&tools, &rounds);
}

/// A node that shares the file, and how it is fetched, given its port and the id.
fn serve(
    name: &'static str,
    command: Command,
    folder: &Path,
    data: &Path,
    fetch: impl Fn(u16, &str) -> String,
) -> Tool {
    let id = share(folder, data);
    let mut tool = Tool::new(name, Some(command), String::new());
    let port = port_of_node(&data.join("node.json"));
    wait_for_share(data);
    tool.fetch = fetch(port, &id);
    tool
}

impl Place {
    fn address(&self, port: u16) -> String {
        format!("{}:{port}", self.ip)
    }

    /// How our own node fetches the file.
    fn get(&self, port: u16, id: &str) -> String {
        let (client, peer) = (self.client.join(" "), self.address(port));
        format!("{client} {NODE} get --no-bootstrap --no-lan --peer {peer} --data-dir fetching -o out {id}")
    }
}

impl Networks {
    /// `None` where the system does not allow it.
    fn make() -> Option<Networks> {
        let near = Guard(start(Command::new("unshare").args(["-rn", "sleep", "3600"]))?);
        let far = Guard(start(within(&enter(&near.0), "unshare").args(["-n", "sleep", "3600"]))?);
        let peer = far.0.id().to_string();
        let ip = |network: &Guard, arguments: &str| {
            let mut command = within(&enter(&network.0), "ip");
            command.args(arguments.split(' ')).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success()).then_some(())
        };
        ip(&near, &format!("link add wire mtu 1500 type veth peer name wire mtu 1500 netns {peer}"))?;
        for (network, address) in [(&near, "10.9.0.1/24"), (&far, "10.9.0.2/24")] {
            ip(network, &format!("addr add {address} dev wire"))?;
            ip(network, "link set wire up")?;
            ip(network, "link set lo mtu 1500 up")?;
        }
        Some(Networks { near, far })
    }
}

/// Starts what holds a network, and waits until it has one of its own; `None` if it ends instead.
fn start(command: &mut Command) -> Option<Child> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let program = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(20));
        let pid = child.id().to_string();
        if child.try_wait().ok()?.is_some() {
            return None;
        }
        if program(&pid).trim() == "sleep" && network(&pid) != network("self") {
            return Some(child);
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// What runs a program in the network that a process holds.
fn enter(holder: &Child) -> Vec<String> {
    let pid = holder.id().to_string();
    ["nsenter", "-t", &pid, "-U", "-n", "--preserve-credentials"].map(str::to_owned).into()
}

/// A program in a network.
fn within(network: &[String], program: &str) -> Command {
    let mut command = Command::new(&network[0]);
    command.args(&network[1..]).arg(program);
    command
}

/// Runs a node that ignores our own words until it is killed.
pub fn common_node(ip: &str, data: &str) {
    let settings = Settings {
        socket: bind(Some(ip.parse().unwrap()), 0).unwrap(),
        config: Config { is_common: true, version: "cjp2p-node bench".to_owned(), ..Config::default() },
        named: Vec::new(),
        names: Vec::new(),
        data_dir: DataDir::open(Path::new(data)).unwrap(),
        output: Output::silent(),
        is_console: false,
        store_limit: None,
    };
    let _ = EventLoop::start(settings).unwrap().run();
}
