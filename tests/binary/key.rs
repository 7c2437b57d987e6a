//! The node's key: made once, kept for its owner alone, shown, and never replaced whatever became of it.

use crate::harness::{Node, Said, binary, finish, run, scratch};
use crate::lan::skip;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

fn id(data: &Path) -> Said {
    run(&["id", "--data-dir", data.to_str().unwrap()])
}

/// A node that is expected not to start.
fn start(data: &Path) -> Said {
    let mut command = binary();
    command.args(["--no-bootstrap", "--no-lan", "--port", "0", "--bind", "127.0.0.1", "--data-dir"]);
    finish(command.arg(data).spawn().unwrap())
}

/// The same for a node that would fetch something for a moment.
fn get(data: &Path) -> Said {
    let mut command = binary();
    command.args(["get", &"ab".repeat(32), "--no-bootstrap", "--no-lan", "--bind", "127.0.0.1", "--timeout", "1"]);
    finish(command.arg("--data-dir").arg(data).spawn().unwrap())
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[test]
fn the_key_is_made_at_the_first_need_for_its_owner_alone_and_stays() {
    let (scratch, other) = (scratch(), scratch());
    let data = scratch.path().join("new/data");
    let said = id(&data);
    let key = said.success();
    assert!(is_key(key), "{key}");
    for path in [data.join("key"), data.clone()] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o077, 0);
    }
    let file = fs::read(data.join("key")).unwrap();
    assert_eq!(id(&data).success(), key);
    let node = Node::start(&data, &[]);
    assert_eq!(node.ask(["id"]).success(), key);
    node.terminate();
    assert_eq!(fs::read(data.join("key")).unwrap(), file);
    // Another directory is another node, until the key is copied there.
    let node = Node::start(other.path(), &[]);
    assert_ne!(node.ask(["id"]).success(), key);
    node.terminate();
    assert!(
        std::process::Command::new("cp").args([data.join("key"), other.path().join("key")]).status().unwrap().success()
    );
    let node = Node::start(other.path(), &[]);
    assert_eq!(node.ask(["id"]).success(), key);
}

#[test]
fn whoever_makes_a_key_says_so_once_and_on_the_standard_error_alone() {
    let scratch = scratch();
    let file = scratch.path().join("file");
    fs::write(&file, "x").unwrap();
    let alone = ["--no-bootstrap", "--no-lan", "--port", "0", "--bind", "127.0.0.1"];
    let id = "ab".repeat(32);
    let get = [&["get", &id, "--timeout", "1"], &alone[..]].concat();
    for (n, command) in [&["id"][..], &["publish", file.to_str().unwrap()], &get].into_iter().enumerate() {
        for (options, count) in [(&[][..], 1), (&["-q"], 0)] {
            let data = scratch.path().join(format!("{n} {count}"));
            let line = format!("cjp2p-node: made a new key in {}\n", data.join("key").display());
            for count in [count, 0] {
                let said = run(&[command, options, &["--data-dir", data.to_str().unwrap()]].concat());
                assert_eq!(said.stderr.matches(&line).count(), count, "{command:?} {options:?}: {said:?}");
                assert!(!said.stdout.contains("new key"), "{said:?}");
            }
        }
    }
    for (name, option, count) in [("loud", "-v", 1), ("loud", "-v", 0), ("quiet", "-q", 0)] {
        let data = scratch.path().join(name);
        let said = Node::start_with(&data, &[], |command| {
            command.arg(option);
        });
        let said = said.terminate();
        let line = format!("made a new key in {}\n", data.join("key").display());
        assert_eq!(said.stderr.matches(&line).count(), count, "{said:?}");
        assert!(!said.stdout.contains("new key"), "{said:?}");
    }
}

#[test]
fn a_running_node_says_its_key_in_its_status() {
    let data = scratch();
    let node = Node::start(data.path(), &[]);
    let key = node.ask(["id"]).success().to_owned();
    assert!(node.ask(["status"]).success().contains(&format!("\nkey          {key}\n")));
    assert_eq!(node.ask(["status", "--json"]).json()[0]["public_key"], key);
    assert_eq!(node.ask(["id", "--json"]).json()[0]["public_key"], key);
    // The secret half is nowhere but in its file.
    let secret = fs::read_to_string(data.path().join("key")).unwrap();
    let said = node.ask(["status", "--json"]).stdout + &node.ask(["id", "--qr"]).stdout + &node.terminate().stderr;
    assert!(!said.contains(secret.trim()));
}

/// Checks that nothing starts with this key, that everybody says why, and that the file stays as it is.
fn assert_refused(data: &Path, why: &str) {
    let path = data.join("key");
    // Reading a pipe would wait for a writer.
    let state = || {
        let found = fs::symlink_metadata(&path).unwrap();
        (found.ino(), found.mode(), found.is_file().then(|| fs::read(&path).unwrap()))
    };
    let before = state();
    for said in [id(data), start(data), get(data)] {
        assert!(said.complaint().contains(why) && said.complaint().contains("key"), "{said:?}");
        assert_eq!(said.status.code(), Some(1));
    }
    assert_eq!(state(), before);
    assert!(!data.join("node.json").exists());
}

#[test]
fn a_key_that_others_may_read_is_refused_until_that_is_mended_as_the_sentence_says() {
    let scratch = scratch();
    let data = scratch.path().join("it's here");
    let key = id(&data).success().to_owned();
    for mode in [0o644, 0o640, 0o660] {
        fs::set_permissions(data.join("key"), Permissions::from_mode(mode)).unwrap();
        assert_refused(&data, "chmod 600");
    }
    let said = id(&data);
    let (_, command) = said.complaint().split_once("take it away: ").unwrap();
    assert!(std::process::Command::new("sh").args(["-c", command]).status().unwrap().success());
    assert_eq!(id(&data).success(), key);
}

#[test]
fn a_damaged_key_stops_everything_and_is_never_replaced() {
    let data = scratch();
    let key = id(data.path()).success().to_owned();
    let path = data.path().join("key");
    let good = fs::read(&path).unwrap();
    for damage in [&good[..63], &good[..32], b"", &[0; 65], b"hello\n", &good.repeat(2)] {
        fs::write(&path, damage).unwrap();
        assert_refused(data.path(), "is damaged: it has to be 64 hex digits");
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(id(data.path()).success(), key);
}

#[test]
fn what_is_no_file_of_its_own_is_no_key() {
    let make: [fn(&Path); 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("elsewhere", path).unwrap(),
        |path| rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap(),
    ];
    for make in make {
        let data = scratch();
        make(&data.path().join("key"));
        assert_refused(data.path(), "it is no regular file");
    }
}

#[test]
fn a_key_that_cannot_be_read_or_made_is_told_in_one_sentence() {
    const NOBODY: u32 = 65_534;
    let data = scratch();
    id(data.path()).success();
    let path = data.path().join("key");
    let is_root = fs::metadata(data.path()).unwrap().uid() == 0;
    if is_root {
        // Nothing is unreadable for root, so somebody else looks.
        chown(data.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    } else {
        fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    }
    let ask = || {
        let mut command = binary();
        command.args(["id", "--data-dir"]).arg(data.path());
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        finish(command.spawn().unwrap())
    };
    let said = ask();
    assert!(said.complaint().contains(&format!("cannot read the key of this node, {}: ", path.display())), "{said:?}");
    fs::remove_file(&path).unwrap();
    fs::set_permissions(data.path(), Permissions::from_mode(0o500)).unwrap();
    let said = ask();
    assert!(said.complaint().contains("cannot make a key for this node"), "{said:?}");
    fs::set_permissions(data.path(), Permissions::from_mode(0o700)).unwrap();
    assert!(is_key(ask().success()));
}

/// The owner and the time of everything in a folder.
fn state(folder: &Path) -> Vec<(std::path::PathBuf, u32, i64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let state = fs::metadata(&folder).unwrap();
        found.push((folder.clone(), state.uid(), state.mtime_nsec()));
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.metadata().unwrap() {
                metadata if metadata.is_dir() => folders.push(entry.path()),
                metadata => found.push((entry.path(), metadata.uid(), metadata.mtime_nsec())),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn in_the_data_directory_of_somebody_else_nothing_is_made_and_the_node_there_can_be_asked() {
    const SOMEBODY: u32 = 65_533;
    let scratch = scratch();
    if fs::metadata(scratch.path()).unwrap().uid() != 0 {
        return skip("only root can give a directory to somebody else");
    }
    let (data, file) = (scratch.path().join("data"), scratch.path().join("file"));
    fs::write(&file, "x").unwrap();
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(&data).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let why = format!(
        "the data directory {} belongs to the user with the number {SOMEBODY}, and this is done by its owner alone: \
         sudo -u '#{SOMEBODY}' cjp2p-node",
        data.display()
    );
    let refuse = || {
        let commands = [
            vec!["id".to_owned()],
            vec!["share".to_owned(), text(&file)],
            vec!["share".to_owned(), "--remove".to_owned(), "1".repeat(64)],
            vec!["ls".to_owned()],
            vec!["publish".to_owned(), text(&file)],
            vec!["publish".to_owned(), "--remove".to_owned(), "file".to_owned()],
        ];
        let before = state(&data);
        for command in commands {
            let said = finish(binary().args(&command).arg("--data-dir").arg(&data).spawn().unwrap());
            assert!(said.complaint().contains(&why), "{command:?}: {said:?}");
        }
        assert_eq!(state(&data), before);
    };
    for empty in [true, false] {
        chown(&data, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        if empty {
            refuse();
        }
        for said in [start(&data), get(&data), run(&["published", "--data-dir", &text(&data)])] {
            assert!(said.complaint().contains(&why), "{said:?}");
        }
        let node = Node::start_with(&data, &[], |command| {
            command.uid(SOMEBODY).gid(SOMEBODY);
        });
        refuse();
        let said = node.ask(["stream", "name"]);
        assert!(said.complaint().contains(&why), "{said:?}");
        // What only speaks with the node may go on.
        node.ask(["status"]).success();
        node.ask(["published"]).success();
        node.ask(["stop"]).success();
        assert!(node.finish().status.success());
        assert!(state(&data).iter().all(|(_, uid, _)| *uid == SOMEBODY));
    }
}

#[test]
fn a_kill_while_a_key_is_made_leaves_a_whole_one_or_none() {
    let scratch = scratch();
    let mut whole = 0;
    for round in 0..40 {
        let data = scratch.path().join(round.to_string());
        let mut child = binary().arg("id").arg("--data-dir").arg(&data).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(250 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        whole += usize::from(data.join("key").exists());
        // Either it is there and can be used, or there is none and one is made.
        assert!(is_key(id(&data).success()));
        let names: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["key"], "nothing is left behind");
    }
    println!("of 40 that were killed {whole} had made a key");
}

/// What a camera sees: two rows of squares in each line, light where a character is.
fn read_squares(drawn: &str) -> Vec<u8> {
    let rows: Vec<Vec<(bool, bool)>> = drawn
        .lines()
        .map(|line| {
            let halves = |letter| match letter {
                '█' => (true, true),
                '▀' => (true, false),
                '▄' => (false, true),
                ' ' => (false, false),
                other => panic!("{other:?} is no square"),
            };
            line.chars().map(halves).collect()
        })
        .collect();
    assert!(rows.iter().all(|row| row.len() == rows[0].len()) && rows[0].len() <= 80, "it fits a terminal");
    // A square is four points wide, and there is light around them all.
    let (scale, margin) = (4, 16);
    let (width, height) = (rows[0].len() * scale + 2 * margin, rows.len() * 2 * scale + 2 * margin);
    let is_light = |x: usize, y: usize| {
        let (Some(x), Some(y)) = (x.checked_sub(margin), y.checked_sub(margin)) else { return true };
        let Some(row) = rows.get(y / scale / 2) else { return true };
        row.get(x / scale).is_none_or(|halves| if y / scale % 2 == 0 { halves.0 } else { halves.1 })
    };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| 255 * u8::from(is_light(x, y)));
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1.into_bytes()
}

#[test]
fn a_phone_reads_the_key_from_the_squares() {
    let data = scratch();
    let key = id(data.path()).success().to_owned();
    let said = run(&["id", "--qr", "--data-dir", data.path().to_str().unwrap()]);
    assert!(said.status.success());
    assert_eq!(read_squares(&said.stdout), key.as_bytes());
    let said = run(&["id", "--qr", "--json", "--data-dir", data.path().to_str().unwrap()]);
    assert!(said.complaint().contains("either --qr or --json"));
}
