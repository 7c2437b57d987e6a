//! House rules, made mechanical: what we would otherwise have to remind one another of.
//!
//! Each rule is one test whose name is the rule and whose message says what to do. They read the files of the
//! repository as text and judge nothing that the compiler or clippy already judges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod files;

use files::{File, obey, read, repository, sources};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

const LINE_MAX_CHARS: usize = 120;
const FUNCTION_MAX_LINES: usize = 70;
const FILE_MAX_LINES_OF_CODE: usize = 400;

/// The side that may touch sockets, clocks, threads, files and the terminal. Everything else is the core.
const IO_SIDE: &[&str] = &[
    "src/cli",
    "src/console",
    "src/content/directory",
    "src/control",
    "src/data_dir",
    "src/event_loop",
    "src/main",
    "src/worker",
];

/// What the core never names: it is told the time, handed datagrams, and given its randomness.
const IO_WORDS: &[&str] = &[
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "UnixListener",
    "Instant",
    "SystemTime",
    "thread::",
    "sleep(",
    "std::fs",
    "std::env",
    "std::process",
    "std::io::std",
    "io::stdout",
    "io::stderr",
    "SysRng",
    "rand::rng(",
    "mio::",
    "socket2",
    "signal_hook",
    "if_addrs",
];

/// Names of crates that only the IO side may use are covered by the words; these are our own modules.
const IO_MODULES: &[&str] =
    &["crate::cli", "crate::console", "crate::control", "crate::data_dir", "crate::event_loop", "crate::worker"];

fn is_io_side(file: &File) -> bool {
    IO_SIDE.iter().any(|place| file.path.strip_prefix(place).is_some_and(|rest| rest.starts_with(['/', '.'])))
}

#[test]
fn every_source_file_opens_by_saying_why_it_exists() {
    obey("open the file with a //! comment that says why it exists and what it refuses to do", |broken| {
        for file in sources(&["src", "tests", "benches", "fuzz/src", "fuzz/targets"]) {
            broken.when(!file.text.starts_with("//! "), &file.path);
        }
    });
}

#[test]
fn no_line_is_longer_than_a_screen_is_wide() {
    let starts = ["\"", "//! |", "/// |"];
    let is_whole =
        |line: &str| line.contains("r#\"") || starts.iter().any(|start| line.trim_start().starts_with(start));
    obey("break the line; only string literals and rows of tables may be longer than 120 characters", |broken| {
        for file in sources(&["src", "tests", "benches", "fuzz/src", "fuzz/targets"]) {
            for (number, line) in file.numbered() {
                let is_too_long = line.chars().count() > LINE_MAX_CHARS && !is_whole(line);
                broken.when(is_too_long, &format!("{}:{number}", file.path));
            }
        }
    });
}

#[test]
fn every_function_can_be_read_at_a_glance() {
    obey("split the function; it has more than 70 lines", |broken| {
        for file in sources(&["src", "tests", "benches", "fuzz/src", "fuzz/targets"]) {
            for (name, lines) in file.functions() {
                broken.when(lines > FUNCTION_MAX_LINES, &format!("{}: {name} has {lines}", file.path));
            }
        }
    });
}

#[test]
fn every_file_has_one_subject() {
    obey("split the file; it has more than 400 lines of code, not counting comments and unit tests", |broken| {
        for file in sources(&["src", "tests", "benches", "fuzz/src", "fuzz/targets"]) {
            let count = file.code().lines().filter(|line| !line.trim().is_empty()).count();
            broken.when(count > FILE_MAX_LINES_OF_CODE, &format!("{} has {count}", file.path));
        }
    });
}

#[test]
fn nothing_is_left_for_later() {
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
    obey("do it, or say in plain words why not; no markers stay behind", |broken| {
        for file in repository() {
            for (number, line) in file.numbered() {
                let mut words = line.split(|letter: char| !letter.is_alphanumeric());
                broken.when(words.any(|word| markers.contains(&word)), &format!("{}:{number}", file.path));
            }
        }
    });
}

#[test]
fn nothing_tells_where_it_was_written() {
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("local", "host:8")];
    obey("the repository speaks of the project alone; take the private path out", |broken| {
        for file in repository() {
            for (number, line) in file.numbered() {
                broken.when(places.iter().any(|place| line.contains(place)), &format!("{}:{number}", file.path));
            }
        }
    });
}

#[test]
fn the_core_touches_no_socket_clock_thread_or_file() {
    obey("the core is told and asks nobody: move this to the IO side, or let the caller pass it in", |broken| {
        for file in sources(&["src"]).into_iter().filter(|file| !is_io_side(file)) {
            let code = file.code();
            for word in IO_WORDS.iter().chain(IO_MODULES).filter(|word| code.contains(**word)) {
                broken.when(true, &format!("{} names {word}", file.path));
            }
        }
    });
}

#[test]
fn the_wire_knows_nobody() {
    obey("src/wire turns bytes into messages and back; it uses no other module of ours", |broken| {
        for file in sources(&["src"]).into_iter().filter(|file| file.path.starts_with("src/wire")) {
            let others = file.code().matches("crate::").count() - file.code().matches("crate::wire").count();
            broken.when(others > 0, &file.path);
        }
    });
}

#[test]
fn nothing_in_the_program_trusts_its_luck() {
    obey("handle the case, or make it impossible; unwrap and expect are for tests", |broken| {
        for file in sources(&["src"]) {
            let code = file.code();
            let is_lucky =
                [".unwrap()", ".expect(", "panic!(", "unreachable!(", "unsafe "].iter().any(|word| code.contains(word));
            broken.when(is_lucky, &file.path);
        }
    });
}

#[test]
fn every_constant_says_why_it_has_its_value() {
    obey("put a doc comment above the constant: what it limits, and where the number comes from", |broken| {
        for file in sources(&["src"]) {
            let lines: Vec<&str> = file.text.lines().collect();
            for (number, pair) in (2..).zip(lines.windows(2)) {
                let name = pair[1].strip_prefix("pub ").unwrap_or(pair[1]).strip_prefix("const ").unwrap_or("");
                let is_limit = ["MAX", "MIN", "BYTES", "SECONDS", "PAUSE", "RATE", "AFTER"]
                    .iter()
                    .any(|part| name.split(':').next().unwrap_or("").split('_').any(|word| word == *part));
                broken.when(is_limit && !pair[0].starts_with("///"), &format!("{}:{number}", file.path));
            }
        }
    });
}

#[test]
fn every_dependency_has_its_reason_beside_it() {
    obey("write a comment behind the dependency: what it is for, in one line", |broken| {
        for path in ["Cargo.toml", "fuzz/Cargo.toml"] {
            let Some(text) = read(path) else { continue };
            let mut is_dependency = false;
            for line in text.lines() {
                if line.starts_with('[') {
                    is_dependency = line.ends_with("dependencies]");
                } else if is_dependency && line.contains('=') && !line.starts_with("cjp2p-node") {
                    broken.when(!line.contains(" # "), &format!("{path}: {line}"));
                }
            }
        }
    });
}

#[test]
fn the_oldest_compiler_is_the_same_everywhere() {
    let cargo = read("Cargo.toml").unwrap();
    let (_, rest) = cargo.split_once("rust-version = \"").expect("Cargo.toml has a rust-version");
    let version = rest.split('"').next().unwrap();
    let readme = read("README.md").expect("there is a README.md");
    let needle = format!("Rust {version}");
    assert!(readme.contains(&needle), "README.md has to say '{needle}', as Cargo.toml does");
}

#[test]
fn every_module_is_on_the_map_and_every_place_on_the_map_exists() {
    let map = read("ARCHITECTURE.md").expect("there is an ARCHITECTURE.md");
    let files = sources(&["src"]);
    obey("describe the module in the code map of ARCHITECTURE.md", |broken| {
        for file in &files {
            broken.when(!map.contains(&format!("`{}`", file.path)), &file.path);
        }
    });
    let known: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    obey("ARCHITECTURE.md speaks of a module that is not there", |broken| {
        for word in map.split('`').filter(|word| word.starts_with("src/") && word.ends_with(".rs")) {
            broken.when(!known.contains(word), word);
        }
    });
}

#[test]
fn the_contract_page_lists_every_module() {
    let page = read("src/lib.rs").unwrap();
    let declared = page.lines().filter_map(|line| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod "));
    let comment: String = page.lines().filter(|line| line.starts_with("//!")).collect();
    obey("add the module to the list in the //! comment of src/lib.rs", |broken| {
        for name in declared.filter_map(|rest| rest.strip_suffix(';')) {
            broken.when(!comment.contains(&format!("[`{name}`]")) && !comment.contains(&format!("`{name}`")), name);
        }
    });
}

#[test]
fn every_script_can_be_run_and_says_what_runs_it() {
    obey("make the script executable (chmod +x) and begin it with #!", |broken| {
        let scripts = repository()
            .into_iter()
            .filter(|file| file.path.starts_with("scripts/") && !file.path.contains('.') || file.path == ".ci/run");
        for file in scripts {
            let mode = std::fs::metadata(files::root().join(&file.path)).unwrap().permissions().mode();
            broken.when(mode & 0o111 != 0o111 || !file.text.starts_with("#!"), &file.path);
        }
    });
}

#[test]
fn every_link_between_our_pages_leads_somewhere() {
    obey("correct the link", |broken| {
        for page in repository().into_iter().filter(|file| file.path.ends_with(".md")) {
            for link in page.links() {
                broken.when(!files::leads_somewhere(&page, &link), &format!("{}: {link}", page.path));
            }
        }
    });
}
