//! What a node costs that has ten live neighbours and nothing to do.

use crate::median;
use crate::process::Server;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

const NODES: usize = 11;

/// Time for the swarm to settle: to meet, and to decide whose paths are kept open.
const SETTLE: Duration = Duration::from_secs(75);

const MINUTES: u64 = 2;

/// Measures and prints.
pub fn measure() {
    println!("\n== idle, {NODES} real nodes on loopback, {MINUTES} minutes after {} s", SETTLE.as_secs());
    let mut nodes = vec![Server::free_node(&[])];
    let first: SocketAddr = nodes[0].address;
    nodes.extend((1..NODES).map(|_| Server::free_node(&[first])));
    sleep(SETTLE);
    let read = |node: &Server| [node.cpu_seconds(), node.cpu_ticks() / 100.0, node.wake_ups()];
    let before: Vec<_> = nodes.iter().map(read).collect();
    sleep(Duration::from_secs(60 * MINUTES));
    let after: Vec<_> = nodes.iter().map(read).collect();
    let a_minute = |index: usize| -> Vec<f64> {
        before.iter().zip(&after).map(|(before, after)| (after[index] - before[index]) / MINUTES as f64).collect()
    };
    for (index, name) in
        ["processor seconds a minute (scheduler)", "processor seconds a minute (ticks of 10 ms)", "wake-ups a minute"]
            .iter()
            .enumerate()
    {
        let values = a_minute(index);
        let most = values.iter().copied().fold(0.0, f64::max);
        println!("  {name:<46} median {:.4}, most {most:.4}", median(values));
    }
    let memory = median(nodes.iter().map(|node| node.memory_kib().0 as f64));
    println!("  {:<46} median {:.2}", "MiB of RSS", memory / 1_024.0);
}
