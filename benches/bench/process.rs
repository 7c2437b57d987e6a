//! The processes under measurement: started on a processor of their own, looked at through /proc, ended when dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where servers run; whoever measures them runs on [`GENERATOR_CPU`].
const SERVER_CPU: &str = "0";
const GENERATOR_CPU: &str = "1";

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its data directory, removed with it.
    _data: Option<TempDir>,
}

impl Server {
    /// The bare echo loop.
    pub fn echo() -> Server {
        let mut command = pinned(&std::env::current_exe().unwrap());
        let mut child = command.arg("--echo").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, line.trim().parse().unwrap()));
        Server { child, address, _data: None }
    }

    /// A node that knows nobody but `peers`, on a processor of its own.
    pub fn node(peers: &[SocketAddr]) -> Server {
        Server::start(pinned(Path::new(env!("CARGO_BIN_EXE_cjp2p-node"))), peers)
    }

    /// A node wherever the system puts it.
    pub fn free_node(peers: &[SocketAddr]) -> Server {
        Server::start(Command::new(env!("CARGO_BIN_EXE_cjp2p-node")), peers)
    }

    fn start(mut command: Command, peers: &[SocketAddr]) -> Server {
        let data = tempfile::tempdir().unwrap();
        command.args(["--no-bootstrap", "--no-lan", "--port", "0", "-q", "--data-dir"]).arg(data.path());
        for peer in peers {
            command.args(["--peer", &peer.to_string()]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let port = port_of_node(&data.path().join("node.json"));
        Server { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), _data: Some(data) }
    }

    /// Memory in use, and the part of it that is not the program file, in KiB.
    pub fn memory_kib(&self) -> (u64, u64) {
        memory_kib(self.child.id())
    }

    /// Processor time used by all its threads, in seconds: the scheduler's own count of nanoseconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.sum_over_threads("schedstat", |text| first_number(text.split(' '))) / 1e9
    }

    /// The same from `stat`, which counts in hundredths of a second.
    pub fn cpu_ticks(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        // utime and stime are fields 14 and 15; the first two are cut off here.
        fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
    }

    /// How often its threads went to sleep of their own will, which is how often they were woken up.
    pub fn wake_ups(&self) -> f64 {
        self.sum_over_threads("status", |text| field(text, "voluntary_ctxt_switches:"))
    }

    fn sum_over_threads(&self, file: &str, read: impl Fn(&str) -> f64) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads.map(|thread| read(&fs::read_to_string(thread.unwrap().path().join(file)).unwrap())).sum()
    }

    /// Datagrams that its full receive buffer turned away.
    pub fn drops(&self) -> u64 {
        let port = format!(":{:04X}", self.address.port());
        let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
        let lines = tables.iter().flat_map(|table| table.lines());
        let ours = lines.filter(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)));
        ours.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory of a process in use, and the part of it that is not the program file, in KiB.
pub fn memory_kib(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    (field(&status, "VmRSS:") as u64, field(&status, "RssAnon:") as u64)
}

/// Processor time used by this thread, which is the only one of its process. The scheduler brings its count up to date
/// when it is asked for a turn of somebody else.
pub fn own_cpu_seconds() -> f64 {
    std::thread::yield_now();
    first_number(fs::read_to_string("/proc/self/schedstat").unwrap().split(' ')) / 1e9
}

/// Moves this process, and what it starts without [`pinned`], to the generator's processor.
pub fn pin_self() {
    let pid = std::process::id().to_string();
    let taskset = Command::new("taskset").args(["-acp", GENERATOR_CPU, &pid]).stdout(Stdio::null()).status();
    if !taskset.is_ok_and(|status| status.success()) {
        println!("(no taskset, or one processor: server and generator are not kept apart)");
    }
}

/// A command on the servers' processor, where that can be chosen.
fn pinned(program: &Path) -> Command {
    let can_pin =
        Command::new("taskset").args(["-c", SERVER_CPU, "true"]).status().is_ok_and(|status| status.success());
    if !can_pin {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CPU]).arg(program);
    command
}

/// Waits for the file that a node writes when it is ready, and reads its port.
pub fn port_of_node(path: &Path) -> u16 {
    let started = Instant::now();
    loop {
        let json: Option<serde_json::Value> = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let address = json.and_then(|json| json["udp"].as_str()?.parse::<SocketAddr>().ok());
        match address {
            Some(address) => return address.port(),
            None => assert!(started.elapsed() < Duration::from_secs(10), "the node does not start"),
        }
        sleep(Duration::from_millis(10));
    }
}

fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    first_number(line.split_whitespace())
}

fn first_number<'a>(mut words: impl Iterator<Item = &'a str>) -> f64 {
    words.next().and_then(|word| word.trim().parse().ok()).unwrap_or(0.0)
}
