//! Killed at any moment: no wrong byte has a name, and what was finished stays.

use crate::fetching::{alone, bytes, ids, names, seed};
use crate::harness::{binary, run, scratch};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often each command is killed.
const KILLS: u32 = 50;

const SIZE: usize = 3 << 20;

/// Runs a command, and kills it after a while unless it has ended. Says whether it had.
fn kill_after(mut command: Command, pause: Duration) -> bool {
    let mut child = command.spawn().unwrap();
    sleep(pause);
    let has_ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    child.wait().unwrap();
    has_ended
}

/// Moments that are spread over a span, in no order.
fn moments(span: Duration) -> impl Iterator<Item = Duration> {
    (0..KILLS).map(move |n| span * (n * 37 % KILLS) / KILLS)
}

/// Everything that has a name in the store is what its name says. How many there are.
fn check_store(data: &Path) -> usize {
    let stored = names(&data.join("store"));
    let contents = stored.iter().filter(|name| name.len() == 64);
    contents.map(|name| assert_eq!(ids(&fs::read(data.join("store").join(name)).unwrap())[0], **name)).count()
}

#[test]
fn share_leaves_whole_contents_or_none() {
    let scratch = scratch();
    let (data, folder) = (scratch.path().join("data"), scratch.path().join("folder"));
    fs::create_dir(&folder).unwrap();
    let contents: Vec<_> = (0..3).map(|n| [bytes(SIZE / 3), vec![n]].concat()).collect();
    contents.iter().enumerate().for_each(|(n, content)| fs::write(folder.join(n.to_string()), content).unwrap());
    let share = |data: &Path| {
        let mut command = binary();
        command.arg("share").arg(&folder).arg("--data-dir").arg(data);
        command
    };
    let start = Instant::now();
    assert!(share(&scratch.path().join("other")).output().unwrap().status.success());
    let mut most = 0;
    for moment in moments(start.elapsed()) {
        kill_after(share(&data), moment);
        let count = check_store(&data);
        assert!(count >= most, "{count} of {most} finished contents are left");
        most = count;
    }
    assert!(share(&data).output().unwrap().status.success());
    assert_eq!(check_store(&data), 3);
    let listed = run(&["share", "--list", "--json", "--data-dir", data.to_str().unwrap()]).json();
    let roots: Vec<_> = contents.iter().map(|content| ids(content)[1].clone()).collect();
    assert_eq!(listed.iter().map(|line| line["blake3"].as_str().unwrap()).collect::<Vec<_>>(), roots);
}

#[test]
fn get_leaves_the_whole_content_or_none_and_comes_to_an_end() {
    let (scratch, content) = (scratch(), bytes(SIZE));
    let seed = seed(scratch.path(), &content);
    for id in ids(&content) {
        let (data, out) = (scratch.path().join("data"), scratch.path().join("out"));
        let get = |data: &Path| alone(data, Some(seed.address), &[&id, "--force", "-o", out.to_str().unwrap()]);
        let start = Instant::now();
        assert!(get(&scratch.path().join("other")).output().unwrap().status.success());
        fs::remove_file(&out).unwrap();
        for moment in moments(start.elapsed()).take(KILLS as usize / 2) {
            let has_ended = kill_after(get(&data), moment);
            assert!(!has_ended || out.exists());
            if out.exists() {
                assert!(fs::read(&out).unwrap() == content);
                fs::remove_file(&out).unwrap();
                fs::remove_dir_all(&data).unwrap();
            } else {
                check_store(&data);
            }
        }
        assert!(get(&data).output().unwrap().status.success());
        assert!(fs::read(&out).unwrap() == content && check_store(&data) == 1);
        fs::remove_dir_all(&data).unwrap();
        fs::remove_file(&out).unwrap();
        fs::remove_dir_all(scratch.path().join("other")).unwrap();
    }
}
