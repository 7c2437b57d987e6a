//! One seed played out: a swarm with its strangers, a time of faults, then peace, and progress demanded.

use crate::attackers::{Flooder, Garbage, Impostor, Liar, Meddler, Network, Spoofer};
use crate::map::Place;
use crate::models::{Echo, Mute, Ruby, Wild};
use crate::net::Faults;
use crate::options::{Contacts, Options, Stranger};
use crate::query::told_of;
use crate::rng::Rng;
use crate::world::World;
use cjp2p_node::node::Command;
use cjp2p_node::wire::PORT;
use std::net::SocketAddr;
use std::time::Duration;

/// How many seeds each of the two tests plays.
pub const SEEDS: u64 = 200;

/// How many others a node must know when all is well; fewer if there are fewer. Strangers that return its tokens are
/// others to it, too.
pub const OTHERS_WANTED: usize = 8;

/// One in so many of them must be a node of ours, whatever strangers there are: those may crowd, but they must not cut
/// off.
const OURS_PART: usize = 2;

/// Seconds of peace after which everybody must know enough others. An address that has failed for long is tried twelve
/// times an hour at most, so a node that was cut off may need two such pauses.
pub const PEACE: u64 = 1_200;

/// Seconds of peace that every scenario has, and between two looks at the progress after that.
const PEACE_MIN: u64 = 60;
const PEACE_STEP: u64 = 10;

/// The first nodes are public, and everybody's contacts where there are bootstrap nodes.
const ANCHORS: usize = 2;

/// Who sleeps, and how it will wake.
struct Sleeper {
    host: usize,
    wakes_at: u64,
    slept: u64,
    how: Wake,
}

enum Wake {
    Resume,
    Restart(Place),
}

/// Plays a seed; the fingerprint of the run.
pub fn play(seed: u64) -> u64 {
    let options = Options::draw(seed);
    let label = format!(
        "{options:#?}\nreplay: SIM_SEED={seed} cargo test --profile sim --test sim replay -- --nocapture (SIM_LOG=1 shows every datagram)"
    );
    let mut world = World::new(seed, &label);
    let mut rng = world.rng.fork();
    world.faults = options.faults;
    furnish(&mut world, &options, &mut rng);
    invite(&mut world, &options, &mut rng);
    trouble(&mut world, &options, &mut rng);
    world.faults = Faults { loss: 10, ..Faults::default() };
    world.is_partitioned = false;
    world.run_for(PEACE_MIN);
    for _ in (PEACE_MIN..PEACE).step_by(PEACE_STEP as usize) {
        if progress(&world).is_ok() {
            break;
        }
        world.run_for(PEACE_STEP);
    }
    if let Err((node, why)) = progress(&world) {
        world.fail(node, &why);
    }
    world.trace.value()
}

/// Starts the nodes, all within the first seconds.
fn furnish(world: &mut World, options: &Options, rng: &mut Rng) {
    let shared_lan = world.map.add_lan(true);
    for n in 0..options.nodes {
        let place = match n {
            0 if options.v6_only > 0 => world.dual(),
            _ if n < ANCHORS => world.public(),
            _ if n < ANCHORS + options.in_lan => world.in_lan(shared_lan),
            _ if rng.chance(options.behind_nat) => world.behind_nat(),
            _ if rng.chance(options.dual) => world.dual(),
            _ if rng.chance(options.v6_only) => world.v6_only(),
            _ => world.public(),
        };
        let contacts = contacts(world, options, rng, place, n);
        let config = cjp2p_node::node::Config { lan: place.lan == Some(shared_lan), ..told_of(&contacts) };
        world.add_node(place, config);
        world.run_until(world.now + Duration::from_millis(rng.below(500)));
    }
}

/// Whom the n-th node is told of: an earlier public node it can reach.
fn contacts(world: &World, options: &Options, rng: &mut Rng, place: Place, n: usize) -> Vec<SocketAddr> {
    let reach = |other: usize| {
        let theirs = world.hosts[other].place;
        let v4 = theirs.v4.filter(|_| theirs.lan.is_none() && place.v4.is_some());
        v4.or(theirs.v6.filter(|_| place.v6.is_some()))
    };
    let earlier: Vec<_> = (0..n).filter_map(reach).collect();
    match (options.contacts, earlier.len()) {
        (_, 0) => Vec::new(),
        (Contacts::Tree, _) => vec![rng.pick(&earlier)],
        (Contacts::Chain, last) => vec![earlier[last - 1]],
        (Contacts::Bootstrap, _) => earlier.into_iter().take(ANCHORS).collect(),
    }
}

/// Lets the strangers in.
fn invite(world: &mut World, options: &Options, rng: &mut Rng) {
    let nodes = world.nodes();
    let is_public = |host: &usize| world.hosts[*host].place.lan.is_none() && world.hosts[*host].place.v4.is_some();
    let targets: Vec<_> = nodes.iter().copied().filter(is_public).map(|host| world.address(host)).collect();
    let outer = |host: &usize| world.map.outer_of(world.now, world.hosts[*host].place);
    let masks: Vec<_> = nodes.iter().filter_map(outer).filter(SocketAddr::is_ipv4).collect();
    let victim_place = world.public();
    world.add_model(victim_place, Mute);
    let mut victims: Vec<_> = victim_place.v4.into_iter().collect();
    victims.extend((1..20).map(|n| SocketAddr::from(([101, n, 1, 1], 24_254))));
    for stranger in &options.strangers {
        let place = world.public();
        let pace = Duration::from_millis(rng.pick(&[20, 100, 1000]));
        let one = vec![rng.pick(&targets)];
        match stranger {
            Stranger::Spoofer => {
                let claimed = victims.iter().chain(&masks).copied().collect();
                world.add_model(place, Spoofer::new(targets.clone(), claimed, pace))
            }
            Stranger::Garbage => world.add_model(place, Garbage::new(targets.clone(), masks.clone(), pace)),
            Stranger::Liar => world.add_model(place, Liar::new(targets.clone(), &victims, pace)),
            Stranger::Flooder => world.add_model(place, Flooder::new(one, 10, pace, 0)),
            Stranger::FloodOfSources => world.add_model(place, Flooder::new(one, 10, pace, 1_000_000)),
            Stranger::Echo => {
                let echo = world.add_model(place, Echo);
                let here = world.address(echo);
                _ = world.command(0, Command::AddPeer(here));
                echo
            }
            Stranger::Mute => world.add_model(place, Mute),
            Stranger::Wild => world.add_model(place, Wild::new(one)),
            Stranger::Ruby => world.add_model(place, Ruby::new(&one)),
            Stranger::Network => add_network(world, place, one[0]),
            Stranger::Meddler => add_meddler(world, place, &targets, &masks, pace),
            Stranger::Impostor => add_impostor(world, place, &nodes, pace),
        };
    }
}

/// One owner of three addresses in networks of their own, who meddles with all nodes in the name of all others.
fn add_meddler(world: &mut World, place: Place, targets: &[SocketAddr], masks: &[SocketAddr], pace: Duration) -> usize {
    let owned: Vec<_> = (0..3).map(|n| SocketAddr::from(([120, n, 1, 1], PORT))).collect();
    let victims = if masks.is_empty() { targets } else { masks }.to_vec();
    let host = world.add_model(place, Meddler::new(owned.clone(), targets.to_vec(), victims, pace));
    owned.into_iter().for_each(|address| world.map.own(host, address));
    host
}

/// One owner of three addresses in networks of their own, who claims the keys of all whom it can reach.
fn add_impostor(world: &mut World, place: Place, nodes: &[usize], pace: Duration) -> usize {
    let owned: Vec<_> = (0..3).map(|n| SocketAddr::from(([123, n, 1, 1], PORT))).collect();
    let public = nodes.iter().filter(|node| world.hosts[**node].place.lan.is_none());
    let target = |node: &usize| Some((world.hosts[*node].place.v4?, world.ours(*node).node.public_key()));
    let impostor = Impostor::new(owned.clone(), public.filter_map(target).collect(), pace);
    let host = world.add_model(place, impostor);
    owned.into_iter().for_each(|address| world.map.own(host, address));
    host
}

/// One owner of a whole /20, all of whose addresses behave.
pub fn add_network(world: &mut World, place: Place, target: SocketAddr) -> usize {
    let addresses: Vec<_> =
        (0..4000).map(|n: u16| SocketAddr::from(([111, 5, (n / 250) as u8, (n % 250) as u8 + 1], PORT))).collect();
    let host = world.add_model(place, Network::new(addresses.clone(), target));
    for address in addresses {
        world.map.own(host, address);
    }
    host
}

/// The time of faults.
fn trouble(world: &mut World, options: &Options, rng: &mut Rng) {
    let mut sleepers: Vec<Sleeper> = Vec::new();
    for second in 0..options.trouble {
        wake_sleepers(world, options, &mut sleepers, second);
        if rng.below(60) < options.troubles_per_minute {
            strike(world, options, rng, &mut sleepers, second);
        }
        world.run_for(1);
    }
    wake_sleepers(world, options, &mut sleepers, u64::MAX);
}

fn strike(world: &mut World, options: &Options, rng: &mut Rng, sleepers: &mut Vec<Sleeper>, second: u64) {
    let host = rng.index(options.nodes);
    if rng.chance(150) {
        world.is_partitioned = !world.is_partitioned;
        for node in 0..options.nodes {
            world.hosts[node].island = rng.below(2);
        }
        return;
    }
    if sleepers.iter().any(|sleeper| sleeper.host == host) {
        return;
    }
    let place = world.hosts[host].place;
    let may_move = place.lan.is_none() && place.v6.is_none() && !is_contact(world, host);
    let how = match rng.below(3) {
        0 => Wake::Resume,
        1 if may_move => Wake::Restart(world.public()),
        _ => Wake::Restart(place),
    };
    let slept = rng.pick(&[0, 1, 20, 40, 120]);
    world.suspend(host);
    sleepers.push(Sleeper { host, wakes_at: second + slept, slept, how });
}

/// Whether somebody was told of this node, so that the swarm would fall apart if it moved.
fn is_contact(world: &World, host: usize) -> bool {
    let here = world.hosts[host].place.v4;
    world.nodes().iter().any(|node| world.ours(*node).config.contacts.iter().any(|contact| Some(*contact) == here))
}

fn wake_sleepers(world: &mut World, options: &Options, sleepers: &mut Vec<Sleeper>, second: u64) {
    let (due, later): (Vec<_>, Vec<_>) = sleepers.drain(..).partition(|sleeper| sleeper.wakes_at <= second);
    *sleepers = later;
    for sleeper in due {
        let over = sleeper.wakes_at.saturating_sub(options.trouble);
        let slept = Duration::from_secs(sleeper.slept - over.min(sleeper.slept));
        match sleeper.how {
            Wake::Resume => world.resume(sleeper.host, slept, options.clocks_stop),
            Wake::Restart(place) => world.restart(sleeper.host, place),
        }
    }
}

/// Invariant 10: everybody knows enough of those they can reach.
fn progress(world: &World) -> Result<(), (usize, String)> {
    let nodes = world.nodes();
    for node in &nodes {
        let reachable = nodes.iter().filter(|other| *other != node && can_reach(world, *node, **other)).count();
        // Who has only IPv6 may well never hear the IPv6 addresses of those whom everybody knows by their IPv4 ones.
        let most = if world.hosts[*node].place.v4.is_some() { OTHERS_WANTED } else { 1 };
        let want = reachable.min(most);
        let (known, all) = (world.knows(*node), world.acquaintances(*node));
        if known.len() < want.div_ceil(OURS_PART) || all < want {
            let why = format!("knows {all}, of ours only {known:?}, of {reachable} reachable others after peace");
            return Err((*node, why));
        }
    }
    Ok(())
}

/// Two nodes can reach each other over a family they share, or within their local network. Behind two routers they need
/// to write within the same half minute, which is what introductions are for; but once their few tries were used up by
/// a partition, the next coincidence may take hours, because nobody may be written to more than twelve times an hour.
fn can_reach(world: &World, one: usize, other: usize) -> bool {
    let (one, other) = (world.hosts[one].place, world.hosts[other].place);
    let is_apart = one.lan.is_some() && other.lan.is_some() && one.lan != other.lan;
    (one.v4.is_some() && other.v4.is_some() && !is_apart) || (one.v6.is_some() && other.v6.is_some())
}
