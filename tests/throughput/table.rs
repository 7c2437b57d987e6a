//! A table of throughput over loss, round trip and link rate, compared with the one in `tests/data`.
//!
//! It promises nothing; it shows what a change of the algorithm changes. It is the same in every build, and short
//! enough for one without optimisation. `UPDATE_THROUGHPUT=1 cargo test --test throughput` writes it anew.

use crate::claims::efficiency;
use crate::ours::{BLOCKS, SMALL, Shape};
use crate::world::Link;
use std::fmt::Write;
use std::path::Path;

const FILE: &str = "tests/data/throughput.txt";

const HEAD: &str = "\
# Goodput of one download in its first 10 s, in thousandths of what the link could carry in such datagrams.
# The queue holds one bandwidth-delay product, at least 64 KiB; each packet of 1,500 bytes is lost alone, both ways.
# Written by: UPDATE_THROUGHPUT=1 cargo test --test throughput
#
# payload  Mbit/s  round trip   0 %    1 %    2 %    5 %   10 % lost
";

const SECONDS: u64 = 10;

fn table() -> String {
    let mut text = HEAD.to_owned();
    // Small datagrams at 100 Mbit/s are left out: ten thousand a second take too long without optimisation.
    let parts: [(Shape, &[u64]); 2] = [(BLOCKS, &[1, 10, 100]), (SMALL, &[1, 10])];
    for (shape, rates) in parts {
        for &rate in rates {
            for round_trip in [5, 50, 200] {
                write!(text, "{:9}  {rate:6}  {round_trip:7} ms", shape.payload).unwrap();
                for loss in [0, 10, 20, 50, 100] {
                    let link = Link::new(rate, round_trip).loss(loss);
                    let link = Link { queue: link.queue.max(65_536), ..link };
                    write!(text, "  {:5}", efficiency(link, shape, SECONDS)).unwrap();
                }
                text.push('\n');
            }
        }
    }
    text
}

#[test]
fn the_table_of_throughput_has_not_changed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let table = table();
    if std::env::var_os("UPDATE_THROUGHPUT").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != table {
        for (old, new) in kept.lines().zip(table.lines()).filter(|(old, new)| old != new) {
            println!("- {old}\n+ {new}");
        }
        panic!("throughput has changed; if that is what you want: UPDATE_THROUGHPUT=1 cargo test --test throughput");
    }
}
