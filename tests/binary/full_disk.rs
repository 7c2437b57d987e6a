//! A disk that is full: one sentence, nothing under a name, nothing lost; and when there is room again, it goes on.
//!
//! The disk is a small one in memory, mounted where nobody else sees it. Where the system lets nobody do that, these
//! tests say so and look no further, as in `lan`.

use crate::fetching::{alone, bytes, counter, ended, ids, names, seed};
use crate::harness::{Node, eventually, run, scratch};
use crate::lan::skip;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// A disk of 16 MiB.
struct Disk {
    /// The process whose disk it is; it is gone with it.
    owner: Child,
    path: PathBuf,
}

impl Disk {
    /// A new disk at `place`, as its owner sees it; `None` if the system does not allow it.
    fn mount(place: &Path) -> Option<Disk> {
        fs::create_dir(place).unwrap();
        let script = "mount -t tmpfs -o size=16m none \"$1\"; echo mounted; exec cat";
        let mut owner = Command::new("unshare");
        owner.args(["-rm", "sh", "-euc", script, "sh"]).arg(place);
        owner.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut owner = owner.spawn().ok()?;
        let mut line = String::new();
        let _ = BufReader::new(owner.stdout.as_mut().unwrap()).read_line(&mut line);
        let path = PathBuf::from(format!("/proc/{}/root{}", owner.id(), place.display()));
        let disk = Disk { owner, path };
        if line.trim() != "mounted" || File::create(disk.path.join("ballast")).is_err() {
            skip("no disks of our own here");
            return None;
        }
        Some(disk)
    }

    /// Leaves room for so many bytes.
    fn fill(&self, left: usize) {
        let mut ballast = File::create(self.path.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4_096]).is_ok() {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length - left as u64).unwrap();
    }

    fn free(&self) {
        fs::write(self.path.join("ballast"), "").unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone.
        let _ = self.owner.kill();
        let _ = self.owner.wait();
    }
}

/// A small disk with a data directory in which a content is shared that has to survive, and a node that shares another,
/// for half of which there will be room.
struct Scene {
    scratch: TempDir,
    disk: Disk,
    seed: Node,
    content: Vec<u8>,
    finished: Vec<u8>,
    data: PathBuf,
    out: PathBuf,
}

impl Scene {
    /// `None` if the system does not allow disks.
    fn set() -> Option<Scene> {
        let (scratch, content, finished) = (scratch(), bytes(8 * MIB), bytes(100_001));
        let disk = Disk::mount(&scratch.path().join("disk"))?;
        let seed = seed(scratch.path(), &content);
        let (data, out, file) = (disk.path.join("data"), scratch.path().join("out"), scratch.path().join("finished"));
        fs::write(&file, &finished).unwrap();
        share(&data, &file);
        Some(Scene { scratch, disk, seed, content, finished, data, out })
    }
}

/// Shares a content that has to survive.
fn share(data: &Path, file: &Path) {
    run(&["share", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]).success();
}

/// The contents in the store, checked.
fn stored(data: &Path) -> Vec<String> {
    let stored = names(&data.join("store"));
    let stored = stored.into_iter().filter(|name| !name.ends_with(".json"));
    stored.inspect(|name| assert_eq!(ids(&fs::read(data.join("store").join(name)).unwrap())[0], *name)).collect()
}

#[test]
fn a_get_for_which_there_is_no_room_says_so_keeps_what_came_and_goes_on_when_there_is() {
    let Some(Scene { scratch: _scratch, disk, seed, content, finished, data, out }) = Scene::set() else { return };
    for id in ids(&content) {
        let get = || ended(alone(&data, Some(seed.address), &[&id, "--force", "-o", out.to_str().unwrap()]));
        disk.fill(4 * MIB);
        for _ in 0..2 {
            let said = get();
            assert!(said.complaint().contains("the disk is full: there is no room for"), "{said:?}");
            assert!(said.status.code() == Some(1) && !out.exists());
            assert_eq!(stored(&data), [&*ids(&finished)[0]]);
        }
        disk.free();
        let before = counter(&seed, "bytes_sent");
        get().success();
        assert!(fs::read(&out).unwrap() == content);
        // As base64 it is 1.38 times as long, and half of it was there.
        let sent = (counter(&seed, "bytes_sent") - before) as f64 / content.len() as f64;
        assert!(sent < 0.9, "the seed sent {sent:.2} times the content for half of it");
        fs::remove_file(&out).unwrap();
    }
}

#[test]
fn a_file_for_which_there_is_no_room_gets_no_name_and_needs_no_second_fetch() {
    let (scratch, content) = (scratch(), bytes(8 * MIB));
    let Some(disk) = Disk::mount(&scratch.path().join("disk")) else { return };
    let seed = seed(scratch.path(), &content);
    let (data, out) = (scratch.path().join("data"), disk.path.join("out"));
    let get = || ended(alone(&data, Some(seed.address), &[&ids(&content)[1], "-o", out.to_str().unwrap()]));
    disk.fill(4 * MIB);
    let said = get();
    assert!(said.complaint().contains("the disk is full: there is no room for"), "{said:?}");
    assert!(said.complaint().ends_with("what came is kept, and the same command goes on from there"), "{said:?}");
    assert_eq!(names(&disk.path), ["ballast"]);
    let parts = data.join("parts");
    let mode = |name: &String| fs::metadata(parts.join(name)).unwrap().permissions().mode() & 0o777;
    assert!(!names(&parts).is_empty() && names(&parts).iter().all(|name| mode(name) == 0o600));
    disk.free();
    let before = counter(&seed, "bytes_sent");
    get().success();
    assert!(fs::read(&out).unwrap() == content);
    assert!(counter(&seed, "bytes_sent") - before < MIB as u64 / 8, "it was fetched again");
}

#[test]
fn a_share_for_which_there_is_no_room_says_so_and_leaves_the_others() {
    let (scratch, content, finished) = (scratch(), bytes(8 * MIB), bytes(100_001));
    let Some(disk) = Disk::mount(&scratch.path().join("disk")) else { return };
    let data = disk.path.join("data");
    let [small, large] = ["small", "large"].map(|name| scratch.path().join(name));
    fs::write(&small, &finished).unwrap();
    fs::write(&large, &content).unwrap();
    share(&data, &small);
    disk.fill(4 * MIB);
    let arguments = ["share", large.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    for _ in 0..2 {
        let said = run(&arguments);
        let why = format!("large: the disk is full: there is no room in the data directory {}", data.display());
        assert!(said.complaint().ends_with(&why), "{said:?}");
        assert_eq!(stored(&data), [&*ids(&finished)[0]]);
        assert_eq!(names(&data.join("trees")).len(), 1);
    }
    disk.free();
    run(&arguments).success();
    assert_eq!(stored(&data).len(), 2);
}

#[test]
fn a_running_node_survives_a_full_disk_serves_on_and_saves_and_fetches_when_there_is_room() {
    let Some(Scene { scratch, disk, seed, content, finished, data, out }) = Scene::set() else { return };
    let node = Node::start(&data, &[seed.address]);
    node.wait_for_peer(seed.address);
    node.terminate();
    let peers = || fs::read_to_string(data.join("peers.json")).unwrap();
    assert!(peers().contains(&seed.address.to_string()));
    let node = Node::start(&data, &[]);
    node.wait_for_peer(seed.address);
    for id in ids(&content) {
        disk.fill(4 * MIB);
        let said = node.ask(["get", &id, "--force", "-o", out.to_str().unwrap()]);
        assert!(said.complaint().contains("the disk is full: there is no room for"), "{said:?}");
        assert!(!out.exists());
        // There is room for nothing at all now.
        disk.fill(0);
        let saved = peers();
        let other = Node::start(&scratch.path().join(format!("other-{}", id.len())), &[node.address]);
        node.wait_for_peer(other.address);
        let copy = scratch.path().join("copy");
        other.ask(["get", &ids(&finished)[1], "--force", "-o", copy.to_str().unwrap()]).success();
        assert!(fs::read(&copy).unwrap() == finished);
        assert_eq!(peers(), saved);
        disk.free();
        node.ask(["get", &id, "--force", "-o", out.to_str().unwrap()]).success();
        assert!(fs::read(&out).unwrap() == content);
        fs::remove_file(&out).unwrap();
        node.ask(["share", "--remove", &id]).success();
    }
    disk.fill(0);
    let saved = peers();
    let said = node.terminate();
    assert!(said.stderr.contains("cannot save the peers"), "{said:?}");
    assert_eq!((peers(), stored(&data)), (saved, vec![ids(&finished)[0].clone()]));
    disk.free();
    let node = Node::start(&data, &[]);
    node.wait_for_peer(seed.address);
    eventually("the finished content", || node.ask(["status"]).success().contains("1 shared").then_some(()));
}

#[test]
fn a_key_for_which_there_is_no_room_is_not_made_by_half_and_made_when_there_is() {
    let scratch = scratch();
    let Some(disk) = Disk::mount(&scratch.path().join("disk")) else { return };
    let data = disk.path.join("data");
    fs::create_dir(&data).unwrap();
    let id = || run(&["id", "--data-dir", data.to_str().unwrap()]);
    disk.fill(0);
    for _ in 0..2 {
        let said = id();
        assert!(
            said.complaint().contains("cannot make a key for this node") && said.status.code() == Some(1),
            "{said:?}"
        );
        assert!(names(&data).is_empty(), "{:?}", names(&data));
    }
    disk.free();
    let key = id().success().to_owned();
    disk.fill(0);
    assert_eq!(id().success(), key, "reading it needs no room");
}
