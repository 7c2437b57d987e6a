//! The local network, or none: in a network namespace made for the test, since these nodes shout.
//!
//! Where the system lets nobody make namespaces, these tests say so and look no further. `scripts/test` names a file in
//! `SKIPPED` for that, because a test that passes is not heard.

use crate::harness::{Said, finish, scratch};
use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::{env, thread};

/// Runs a shell script in a network of its own, with the binary as `$0` and a scratch directory as `$1`; `None` if the
/// system does not allow it.
pub(crate) fn in_own_network(script: &str) -> Option<Said> {
    let is_allowed =
        Command::new("unshare").args(["-rn", "ip", "link"]).output().is_ok_and(|said| said.status.success());
    if !is_allowed {
        skip("no network namespaces here");
        return None;
    }
    let directory = scratch();
    let mut shell = Command::new("unshare");
    shell.args(["-rn", "sh", "-euc", script, env!("CARGO_BIN_EXE_cjp2p-node")]).arg(directory.path());
    shell.env("TESTS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/binary"));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(finish(shell.spawn().unwrap()))
}

/// Says that the test of this thread looks no further.
pub(crate) fn skip(why: &str) {
    let line = format!("{}: {why}\n", thread::current().name().unwrap_or("a test"));
    eprint!("skipped {line}");
    if let Some(path) = env::var_os("SKIPPED") {
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn two_nodes_on_a_local_network_find_each_other_untold() {
    let said = in_own_network(
        r#"
        ip link set lo up
        ip link add lan type veth peer name far
        ip addr add 10.9.0.1/24 brd + dev lan
        ip link set far up
        ip link set lan up
        trap 'kill $! $first 2>/dev/null || :; wait' EXIT
        "$0" -qqq --no-bootstrap --data-dir "$1/a" >/dev/null 2>&1 & first=$!
        "$0" -qqq --no-bootstrap --port 0 --data-dir "$1/b" >/dev/null 2>&1 &
        for _ in $(seq 100); do
            sleep 0.2
            peers=$("$0" peers --json --data-dir "$1/b" 2>/dev/null) || continue
            test "$peers" = "[]" || break
        done
        echo "$peers"
        "#,
    );
    let Some(said) = said else { return };
    assert!(said.success().contains("10.9.0.1:24254"), "{said:?}");
}

#[test]
fn a_new_address_is_noticed_at_once() {
    // Three times, since a node that only looks now and then would notice one or the other in time by chance.
    let said = in_own_network(
        r#"
        ip link add lan type veth peer name far
        ip link set far up
        ip link set lan up
        trap 'kill $! 2>/dev/null || :; wait' EXIT
        "$0" -v --no-bootstrap --no-lan --port 0 --data-dir "$1/a" >/dev/null 2>"$1/log" &
        for _ in $(seq 100); do
            sleep 0.1
            ! "$0" status --data-dir "$1/a" >/dev/null 2>&1 || break
        done
        for n in 1 2 3; do
            ip addr add "10.9.$n.1/24" dev lan
            for _ in $(seq 15); do
                sleep 0.1
                test "$(grep -c 'the network has changed' "$1/log")" -lt "$n" || break
            done
            grep -c 'the network has changed' "$1/log" || :
        done
        "#,
    );
    let Some(said) = said else { return };
    assert_eq!(said.success(), "1\n2\n3", "{said:?}");
}

#[test]
fn no_network_at_all_is_no_reason_to_stop() {
    let said = in_own_network(
        r#"
        trap 'kill $! 2>/dev/null || :; wait' EXIT
        "$0" --no-bootstrap --peer 192.0.2.1 --peer nobody.invalid --data-dir "$1/a" >/dev/null 2>"$1/log" &
        for _ in $(seq 100); do
            sleep 0.1
            ! "$0" status --data-dir "$1/a" 2>/dev/null || break
        done
        sleep 1
        grep -o "WARN.*'nobody.invalid' can be found" "$1/log"
        "$0" stop --data-dir "$1/a"
        wait $!
        "#,
    );
    let Some(said) = said else { return };
    assert!(said.success().contains("listens on") && said.success().ends_with("stopped"), "{said:?}");
    assert!(said.stdout.contains("WARN"), "{said:?}");
}

#[test]
fn datagrams_with_bad_checksums_keep_a_node_neither_from_answering_nor_busy() {
    let said = in_own_network(
        r#"
        ip link set lo up
        trap 'kill $! 2>/dev/null || :; wait' EXIT
        "$0" -qqq --no-bootstrap --no-lan --bind 127.0.0.1 --data-dir "$1/a" >/dev/null 2>&1 &
        for _ in $(seq 100); do
            sleep 0.1
            ! "$0" status --data-dir "$1/a" >/dev/null 2>&1 || break
        done
        python3 "$TESTS/bad_checksum.py" $!
        "#,
    );
    let Some(said) = said else { return };
    let figures: Vec<u64> = said.success().split(' ').map(|figure| figure.parse().unwrap()).collect();
    let [answered, refused, processor_ms] = figures[..] else { panic!("{said:?}") };
    assert_eq!((answered, refused), (20, 21), "{said:?}");
    assert!(processor_ms < 200, "{processor_ms} ms of processor time in two idle seconds");
}
