//! Killed at any moment: no wrong byte has a name, what was finished stays, and little is fetched twice.
//!
//! The moments are drawn from a number, between the start and the time that the whole takes, so that they fall into
//! every stage: starting, fetching, checking, giving names, and ending. The ordinary run has a few; those that are
//! ignored have a hundred of each kind and print what they found: `cargo test --test binary hundred -- --ignored`.

use crate::fetching::{alone, bytes, counter, ids, names, seed};
use crate::harness::{Node, binary, finish, run, scratch};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often each command is killed in the ordinary run, and in the long one.
const FEW: usize = 20;
const HUNDRED: usize = 100;

/// How long a content is in the ordinary run, and in the long one, where more of it is on the way at any moment.
const SMALL: usize = 3 << 20;
const LARGE: usize = 64 << 20;

/// How much of a content may be sent again because of one kill.
const REPEATED_MAX_BYTES: i64 = 1 << 20;

/// Runs of which the one that sends least tells how many bytes a content takes on the wire.
const CALIBRATIONS: usize = 2;

/// Kills a process after a while unless it has ended. Says whether it had.
fn kill_after(child: &mut Child, pause: Duration) -> bool {
    sleep(pause);
    let has_ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    child.wait().unwrap();
    has_ended
}

/// A moment between the start and the end of what takes so long, and a little later.
fn moment(rng: &mut StdRng, span: Duration) -> Duration {
    span.mul_f64(rng.random::<f64>() * 1.1)
}

/// Everything that has a name in the store is what its name says. Their names.
fn check_store(data: &Path) -> Vec<String> {
    let mut stored = names(&data.join("store"));
    stored.retain(|name| name.len() == 64);
    for name in &stored {
        assert_eq!(ids(&fs::read(data.join("store").join(name)).unwrap())[0], *name);
    }
    stored
}

/// A data directory in which something is finished already: one content in the store, one in the public folder.
struct Place {
    scratch: TempDir,
    data: PathBuf,
    finished: Vec<u8>,
}

impl Place {
    fn new() -> Place {
        let scratch = scratch();
        let (data, finished) = (scratch.path().join("data"), bytes(100_001));
        fs::create_dir_all(data.join("public")).unwrap();
        fs::write(data.join("public/mine"), &finished).unwrap();
        let file = scratch.path().join("finished");
        fs::write(&file, &finished).unwrap();
        run(&["share", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]).success();
        Place { scratch, data, finished }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// What was finished is still there, and nothing wrong has a name. How many contents there are besides.
    fn check(&self) -> usize {
        assert!(fs::read(self.data.join("public/mine")).unwrap() == self.finished);
        let stored = check_store(&self.data);
        assert!(stored.contains(&ids(&self.finished)[0]), "what was finished is lost");
        stored.len() - 1
    }

    fn remove(&self, content: &[u8]) {
        run(&["share", "--remove", &ids(content)[0], "--data-dir", self.data.to_str().unwrap()]).success();
    }
}

fn share_is_killed(kills: usize, size: usize) {
    let (place, mut rng) = (Place::new(), StdRng::seed_from_u64(1));
    let folder = place.path("folder");
    fs::create_dir(&folder).unwrap();
    let contents: Vec<_> = (0..3).map(|n| [bytes(size / 3), vec![n]].concat()).collect();
    contents.iter().enumerate().for_each(|(n, content)| fs::write(folder.join(n.to_string()), content).unwrap());
    let share = |data: &Path| {
        let mut command = binary();
        command.arg("share").arg(&folder).arg("--data-dir").arg(data);
        command.spawn().unwrap()
    };
    let start = Instant::now();
    finish(share(&place.path("other"))).success();
    let (span, mut most, mut finished) = (start.elapsed(), 0, 0);
    for _ in 0..kills {
        let has_ended = kill_after(&mut share(&place.data), moment(&mut rng, span));
        let count = place.check();
        assert!(count >= most, "{count} of {most} finished contents are left");
        assert!(!has_ended || count == contents.len());
        most = count;
        if count == contents.len() {
            contents.iter().for_each(|content| place.remove(content));
            (most, finished) = (0, finished + 1);
        }
    }
    finish(share(&place.data)).success();
    assert_eq!(place.check(), contents.len());
    let listed = run(&["share", "--list", "--json", "--data-dir", place.data.to_str().unwrap()]).json();
    let roots: Vec<_> = contents.iter().chain([&place.finished]).map(|content| ids(content)[1].clone()).collect();
    assert_eq!(listed.iter().map(|line| line["blake3"].as_str().unwrap()).collect::<Vec<_>>(), roots);
    let left: usize = ["store", "trees"]
        .iter()
        .flat_map(|folder| names(&place.data.join(folder)))
        .filter(|name| name.ends_with(".tmp"))
        .count();
    assert!(left <= 2, "{left} unfinished copies are left behind");
    println!(
        "share: {kills} kills within {span:?}, all were shared {finished} times, {left} unfinished copies are left"
    );
}

/// A content being fetched.
struct Get<'a> {
    place: &'a Place,
    seed: &'a Node,
    content: &'a [u8],
    id: &'a str,
    /// By a node that runs beside; it is that which is killed.
    is_beside: bool,
}

impl Get<'_> {
    /// Begins to fetch it.
    fn begin(&self) -> (Option<Node>, Child) {
        let (place, out) = (self.place, self.place.path("out"));
        let arguments = [self.id, "-o", out.to_str().unwrap()];
        if !self.is_beside {
            return (None, alone(&place.data, Some(self.seed.address), &arguments).spawn().unwrap());
        }
        let node = Node::start(&place.data, &[self.seed.address]);
        node.wait_for_peer(self.seed.address);
        (Some(node), binary().arg("get").args(arguments).arg("--data-dir").arg(&place.data).spawn().unwrap())
    }

    /// Takes the file, if it is there: then it is right.
    fn take(&self) -> bool {
        let out = self.place.path("out");
        let is_there = out.exists();
        if is_there {
            assert!(fs::read(&out).unwrap() == self.content);
            fs::remove_file(&out).unwrap();
        }
        is_there
    }

    /// Fetches it to the end, and removes it. How long that took.
    fn complete(&self) -> Duration {
        let (_node, get) = self.begin();
        let start = Instant::now();
        finish(get).success();
        let span = start.elapsed();
        // Only a node that stays keeps it, to share it.
        assert!(self.take() && self.place.check() == usize::from(self.is_beside));
        if self.is_beside {
            self.place.remove(self.content);
        }
        span
    }

    /// Is killed after a while; says whether that was before there was a file.
    fn kill(&self, moment: Duration) -> bool {
        let is_early = match self.begin() {
            (None, mut get) => !kill_after(&mut get, moment),
            (Some(mut node), get) => {
                kill_after(node.child(), moment);
                let said = finish(get);
                assert!(said.status.success() || !said.complaint().is_empty());
                !said.status.success()
            }
        };
        let is_there = self.take();
        assert!(is_there || is_early);
        !is_there
    }

    /// How many bytes the seed has sent.
    fn sent(&self) -> i64 {
        counter(self.seed, "bytes_sent").cast_signed()
    }

    /// How many bytes of the content are kept, as those of its tree count like those of itself where there is one.
    fn kept(&self) -> i64 {
        let parts = self.place.data.join("parts");
        let files = names(&parts).into_iter().filter(|name| !name.contains(".json"));
        let bytes: u64 = files.map(|name| fs::metadata(parts.join(name)).unwrap().blocks() * 512).sum();
        let tree_share = if self.id.starts_with("blake3") { 64 } else { i64::MAX };
        let (bytes, size) = (bytes.cast_signed(), self.content.len() as i64);
        if self.place.check() == 1 { size } else { bytes - bytes / tree_share.saturating_add(1) }
    }
}

/// Prints these sizes, and gives the largest.
fn most(what: &str, sizes: &mut [i64]) -> i64 {
    sizes.sort_unstable();
    let (mean, middle, most) =
        (sizes.iter().sum::<i64>() / sizes.len() as i64, sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    println!("  {what}: mean {mean}, median {middle}, most {most} bytes");
    most
}

/// Fetches a content again and again, is killed once each time, and goes on from there.
fn get_is_killed(kills: usize, size: usize, is_beside: bool) {
    let (place, content) = (Place::new(), bytes(size));
    let seed = seed(place.scratch.path(), &content);
    for (number, id) in ids(&content).iter().enumerate() {
        let mut rng = StdRng::seed_from_u64(2 + number as u64);
        let get = Get { place: &place, seed: &seed, content: &content, id, is_beside };
        let calibrate = |_| {
            let before = get.sent();
            let span = get.complete();
            (get.sent() - before, span)
        };
        let (sent, span) = (0..CALIBRATIONS).map(calibrate).min().unwrap();
        let in_content = |bytes: i64| (bytes as f64 * size as f64 / sent as f64) as i64;
        let (mut again, mut repeated) = (Vec::new(), Vec::new());
        for _ in 0..kills {
            let before = get.sent();
            let is_early = get.kill(moment(&mut rng, span));
            let (first, kept) = (get.sent(), get.kept());
            get.complete();
            if is_early {
                again.push(in_content(get.sent() - before) - size as i64);
                repeated.push(in_content(get.sent() - first) - (size as i64 - kept));
            }
        }
        assert!(!again.is_empty(), "{id}: no kill came before the end");
        println!("get {id} of {size} bytes, killed {kills} times, {} before the end", again.len());
        most("sent again, with what was on the way at the kill", &mut again);
        assert!(most("of that, what had come and was asked for again", &mut repeated) <= REPEATED_MAX_BYTES);
    }
}

#[test]
fn share_leaves_whole_contents_or_none() {
    share_is_killed(FEW, SMALL);
}

#[test]
fn a_killed_get_leaves_the_whole_content_or_none_and_repeats_a_megabyte_at_most() {
    get_is_killed(FEW / 4, SMALL, false);
}

#[test]
fn a_killed_node_leaves_the_whole_content_or_none_and_repeats_a_megabyte_at_most() {
    get_is_killed(FEW / 8, SMALL, true);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_kills_of_share() {
    share_is_killed(HUNDRED, LARGE);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_kills_of_get() {
    get_is_killed(HUNDRED / 2, LARGE, false);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_kills_of_a_node_that_fetches() {
    get_is_killed(HUNDRED / 2, LARGE, true);
}
