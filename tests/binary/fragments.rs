//! Links of 1,500 bytes, over which a block of 4,096 bytes goes in fragments: they have to arrive, and where they do
//! not, smaller blocks have to. In networks made for the test; see [`lan`](crate::lan) on what happens without any.

use crate::fetching::{bytes, ids};
use crate::harness::scratch;
use crate::lan::in_own_network;
use std::fs;

const CONTENT_BYTES: usize = 600_000;

/// Two networks with a link of 1,500 bytes between them. `here` runs something in the one, which has 10.9.0.1, and
/// `there` in the other, with 10.9.0.2, where a node shares the content; `wild` is a node of the wild.
const NETWORKS: &str = r#"
    unshare -n sleep 600 >/dev/null 2>&1 & far=$!
    others=
    trap 'kill $far $others 2>/dev/null || :; wait' EXIT
    until test "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/$$/ns/net)"; do sleep 0.05; done
    there() { nsenter -t "$far" -n "$@"; }
    wild() { python3 "$TESTS/wild.py" "$@"; }
    ip link add wire mtu 1500 type veth peer name wire mtu 1500 netns $far
    ip addr add 10.9.0.1/24 dev wire
    there ip addr add 10.9.0.2/24 dev wire
    for command in "" there; do $command ip link set lo mtu 1500 up; $command ip link set wire up; done
    there "$0" share "$CONTENT" --data-dir "$1/seed" >"$1/shared"
    # Not by way of functions, so that what is killed is the program itself.
    nsenter -t "$far" -n "$0" -qqq --no-bootstrap --no-lan --bind 10.9.0.2 --data-dir "$1/seed" >/dev/null 2>&1 &
    others="$!"
    nsenter -t "$far" -n python3 "$TESTS/wild.py" serve 10.9.0.2 30000 "$CONTENT" >/dev/null 2>&1 &
    others="$others $!"
    until "$0" status --data-dir "$1/seed" 2>/dev/null | grep -q "1 shared"; do sleep 0.1; done
    get() {
        peer=$1; data=$2; shift 2
        "$0" get --no-bootstrap --no-lan --peer "$peer" --data-dir "$data" -o "$data.out" "$@" >&2
        cmp "$data.out" "$CONTENT"
    }
    pieces() { awk '/^Ip:/ { value = $16 } END { print value }' /proc/net/snmp; }
"#;

/// What a script says in these networks, a number or a word a line; `None` where they cannot be made.
fn said(script: &str, content: &[u8]) -> Option<Vec<String>> {
    let directory = scratch();
    let path = directory.path().join("content");
    fs::write(&path, content).unwrap();
    let [sha256, blake3] = ids(content);
    let names = format!("CONTENT='{}'\nSHA256={sha256}\nBLAKE3={blake3}\n", path.display());
    let said = in_own_network(&[&names, NETWORKS, script].concat())?;
    Some(said.success().split_whitespace().map(str::to_owned).collect())
}

#[test]
fn blocks_of_4096_bytes_go_over_a_link_of_1500_in_fragments_either_way() {
    let content = bytes(CONTENT_BYTES);
    let script = r#"
        wild ask 10.9.0.2 24254 "$SHA256" 4096
        before=$(pieces)
        get 10.9.0.2:30000 "$1/from-wild" "$SHA256"
        echo $(($(pieces) - before))
    "#;
    let Some(said) = said(script, &content) else { return };
    let [length, sha256, asked, fetched] = &said[..] else { panic!("{said:?}") };
    assert_eq!((&**length, sha256), ("600000", &ids(&content)[0]), "{said:?}");
    let blocks = CONTENT_BYTES.div_ceil(4_096);
    for fragments in [asked, fetched] {
        assert!(fragments.parse::<usize>().unwrap() >= blocks - 1, "{said:?}: nearly every block needs them");
    }
}

#[test]
fn between_nodes_of_ours_nothing_needs_fragments_on_a_link_of_1500() {
    let content = bytes(CONTENT_BYTES);
    let script = r#"
        before=$(pieces)
        get 10.9.0.2:24254 "$1/tree" "$BLAKE3"
        get 10.9.0.2:24254 "$1/whole" "$SHA256"
        echo $(($(pieces) - before))
    "#;
    let Some(said) = said(script, &content) else { return };
    assert_eq!(said, ["0"]);
}

#[test]
fn where_fragments_are_dropped_a_content_comes_in_smaller_blocks_from_everybody() {
    let content = bytes(CONTENT_BYTES);
    // A system that has no memory for fragments drops them all.
    let script = r#"
        for command in "" there; do
            $command sh -c 'for name in low high; do echo 0 >/proc/sys/net/ipv4/ipfrag_${name}_thresh; done'
        done
        wild ask 10.9.0.2 24254 "$SHA256" 4096
        get 10.9.0.2:30000 "$1/from-wild" "$SHA256"
        get 10.9.0.2:24254 "$1/from-ours" "$BLAKE3"
        "$0" share "$CONTENT" --data-dir "$1/near" >"$1/shared"
        "$0" -qqq --no-bootstrap --no-lan --bind 127.0.0.1 --data-dir "$1/near" >/dev/null 2>&1 & others="$others $!"
        until "$0" status --data-dir "$1/near" 2>/dev/null | grep -q "1 shared"; do sleep 0.1; done
        get 127.0.0.1:24254 "$1/near-tree" "$BLAKE3"
        get 127.0.0.1:24254 "$1/near-whole" "$SHA256"
        pieces
    "#;
    let Some(said) = said(script, &content) else { return };
    assert_eq!((&*said[0], &*said[2], &*said[3]), ("0", "0", "0"), "no fragment arrives: {said:?}");
}
