//! A file on its way: from a node to a node, beside the tools that people use for it, all within one run.

use crate::median;
use crate::plain;
use crate::process::port_of_node;
use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the file is.
pub const FILE_BYTES: u64 = 256 << 20;

/// Each round lets every tool carry the file once, one after the other, so that all suffer alike from whatever else is
/// running.
const ROUNDS: usize = 5;

pub const NODE: &str = env!("CARGO_BIN_EXE_cjp2p-node");

/// One way to carry the file.
pub struct Tool {
    name: &'static str,
    server: Option<Guard>,
    /// What the shell runs to fetch the file into `out`.
    pub fetch: String,
}

/// What carrying the file once came to, in seconds.
#[derive(Clone, Copy)]
pub struct Sample {
    wall: f64,
    sender: f64,
    receiver: f64,
}

/// A server that ends with the run.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures and prints.
pub fn measure() {
    println!("\n== transfer, {} MiB in memory-backed files, {ROUNDS} rounds, medians", FILE_BYTES >> 20);
    let scratch = scratch();
    let folder = scratch.path();
    make_file(&folder.join("file"));
    let tools: Vec<Tool> = [node(folder), Some(plain(folder)), nginx(folder), rsync(folder), Some(copy(folder))]
        .into_iter()
        .flatten()
        .collect();
    let rounds: Vec<Vec<Sample>> = (0..ROUNDS).map(|_| tools.iter().map(|tool| tool.run(folder)).collect()).collect();
    report(&tools, &rounds);
}

/// Prints what the tools came to, and the first of them against each other.
pub fn report(tools: &[Tool], rounds: &[Vec<Sample>]) {
    let of = |index: usize, value: &dyn Fn(Sample) -> f64| median(rounds.iter().map(|round| value(round[index])));
    let gigabytes = FILE_BYTES as f64 / 1e9;
    for (index, tool) in tools.iter().enumerate() {
        println!(
            "  {:<26} {:>6.0} MB/s   processor seconds for a GB: sender {:>5.2}, receiver {:>5.2}",
            tool.name,
            of(index, &|sample| gigabytes * 1_000.0 / sample.wall),
            of(index, &|sample| sample.sender / gigabytes),
            of(index, &|sample| sample.receiver / gigabytes),
        );
    }
    for (index, tool) in tools.iter().enumerate().skip(1) {
        let ratio = |value: fn(Sample) -> f64| median(rounds.iter().map(|round| value(round[0]) / value(round[index])));
        println!(
            "  node against {:<22} speed {:>5.2}   sender {:>6.2}   receiver {:>5.2}",
            tool.name,
            1.0 / ratio(|sample| sample.wall),
            ratio(|sample| sample.sender),
            ratio(|sample| sample.receiver),
        );
    }
}

impl Tool {
    /// Starts the server, if there is to be one.
    pub fn new(name: &'static str, server: Option<Command>, fetch: String) -> Tool {
        let spawn = |mut command: Command| {
            Guard(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        };
        Tool { name, server: server.map(spawn), fetch }
    }

    /// Fetches the file once and looks whether it is the same.
    pub fn run(&self, folder: &Path) -> Sample {
        let _ = fs::remove_file(folder.join("out"));
        let _ = fs::remove_dir_all(folder.join("fetching"));
        let pid = self.server.as_ref().map(|server| server.0.id());
        let before = pid.map_or(0.0, cpu_seconds);
        // The shell's own measure of its children, in milliseconds.
        let script = format!("TIMEFORMAT='%R %U %S'; time {{ {}; }} >fetched 2>&1", self.fetch);
        let shell = Command::new("bash").args(["-c", &script]).current_dir(folder).output().unwrap();
        let times: Vec<f64> = String::from_utf8_lossy(&shell.stderr)
            .split_whitespace()
            .map(|number| number.parse().unwrap_or(f64::NAN))
            .collect();
        let said = fs::read_to_string(folder.join("fetched")).unwrap_or_default();
        assert!(is_same(&folder.join("file"), &folder.join("out")), "{}: the file did not come: {said}", self.name);
        // A child that served is counted when its parent has noticed its end.
        sleep(Duration::from_millis(100));
        let sender = pid.map_or(0.0, cpu_seconds) - before;
        Sample { wall: times[0], sender, receiver: times[1] + times[2] }
    }
}

/// A node that shares the file, and one that runs for as long as it takes to fetch it.
fn node(folder: &Path) -> Option<Tool> {
    let data = folder.join("serving");
    let id = share(folder, &data);
    let mut command = Command::new(NODE);
    command.args(["--no-bootstrap", "--no-lan", "--port", "0", "-q", "--data-dir"]).arg(&data);
    let mut tool = Tool::new("node to node", Some(command), String::new());
    let port = port_of_node(&data.join("node.json"));
    wait_for_share(&data);
    tool.fetch = format!("{NODE} get --no-bootstrap --no-lan --peer 127.0.0.1:{port} --data-dir fetching -o out {id}");
    Some(tool)
}

/// Puts the file into the store of a node, and says its id.
pub fn share(folder: &Path, data: &Path) -> String {
    let share = Command::new(NODE).args(["share", "--json", "--data-dir"]).arg(data).arg(folder.join("file")).output();
    let shared: serde_json::Value = serde_json::from_slice(&share.unwrap().stdout).unwrap();
    shared["blake3"].as_str().unwrap().to_owned()
}

/// Waits until a node serves what is in its store.
pub fn wait_for_share(data: &Path) {
    wait_for(|| {
        let status = Command::new(NODE).args(["status", "--json", "--data-dir"]).arg(data).output().unwrap();
        String::from_utf8_lossy(&status.stdout).contains("\"files\":1")
    });
}

/// The plain way to do the same: see [`plain`].
fn plain(folder: &Path) -> Tool {
    let port = free_port();
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new(&own);
    command.arg("--plain-serve").arg(port.to_string()).arg(folder.join("file"));
    let fetch = format!("{} --plain-fetch {port} {FILE_BYTES} out", own.display());
    let tool = Tool::new("plain serde and base64", Some(command), fetch);
    wait_for(|| plain::answers(port));
    tool
}

/// What the web does.
fn nginx(folder: &Path) -> Option<Tool> {
    let program = program(&["nginx", "/usr/sbin/nginx"], "-v");
    let (Some(program), Some(_)) = (program, self::program(&["curl"], "--version")) else {
        println!("  skipped: nginx and curl (Debian: apt-get install nginx-light curl)");
        return None;
    };
    let port = free_port();
    let place = folder.display();
    // As root it would give up its rights, and then it could not read our scratch folder.
    let user = if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        "user root;"
    } else {
        ""
    };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place}/nginx.{name};"))
        .concat();
    let text = format!(
        "{user} daemon off; master_process off; pid {place}/nginx.pid; error_log /dev/null; events {{}} \
         http {{ access_log off; sendfile on; {temporary} server {{ listen 127.0.0.1:{port}; root {place}; }} }}"
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, text).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(&path);
    let tool = Tool::new("nginx and curl", Some(command), format!("curl -sS -o out http://127.0.0.1:{port}/file"));
    wait_for(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    Some(tool)
}

/// What administrators do.
fn rsync(folder: &Path) -> Option<Tool> {
    let Some(program) = program(&["rsync"], "--version") else {
        println!("  skipped: rsync (Debian: apt-get install rsync)");
        return None;
    };
    let port = free_port();
    let path = folder.join("rsync.conf");
    let text =
        format!("use chroot = no\nlog file = /dev/null\n[bench]\npath = {}\nread only = yes\n", folder.display());
    fs::write(&path, text).unwrap();
    let mut command = Command::new(program);
    command.args(["--daemon", "--no-detach", "--address", "127.0.0.1", "--port", &port.to_string()]);
    command.arg(format!("--config={}", path.display()));
    let fetch = format!("rsync --whole-file rsync://127.0.0.1:{port}/bench/file out");
    let tool = Tool::new("rsync daemon and rsync", Some(command), fetch);
    wait_for(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    Some(tool)
}

/// The least that anything could do.
fn copy(_: &Path) -> Tool {
    Tool::new("cp", None, "cp --reflink=never file out".to_owned())
}

/// Processor time used by a process, its threads, and its children that have ended, in seconds.
fn cpu_seconds(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let own: f64 = threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    // cutime and cstime are fields 16 and 17, in hundredths of a second; the first two are cut off here.
    let ended = fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap();
    own / 1e9 + ended / 100.0
}

/// A folder in memory, where there is one.
pub fn scratch() -> TempDir {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() {
        return tempfile::tempdir_in(shm).unwrap();
    }
    println!("  (no /dev/shm: the files are wherever temporary files are)");
    tempfile::tempdir().unwrap()
}

/// Bytes that nothing can make smaller, the same in every run.
pub fn make_file(path: &Path) {
    let mut bytes = vec![0; FILE_BYTES as usize];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(mut one), Ok(mut other)) = (File::open(one), File::open(other)) else { return false };
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for _ in 0..FILE_BYTES >> 20 {
        if one.read_exact(&mut left).is_err() || other.read_exact(&mut right).is_err() || left != right {
            return false;
        }
    }
    other.read(&mut right).is_ok_and(|rest| rest == 0)
}

/// The first of these programs that runs.
fn program(names: &[&'static str], argument: &str) -> Option<&'static str> {
    let runs = |name: &&&'static str| {
        let mut command = Command::new(name);
        command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    names.iter().find(runs).copied()
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

pub fn wait_for(is_ready: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_ready() {
        assert!(started.elapsed() < Duration::from_secs(20), "a server does not start");
        sleep(Duration::from_millis(20));
    }
}
