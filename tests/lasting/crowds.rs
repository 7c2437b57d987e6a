//! What a crowd, a forger or a liar must not do to whom a node knows and asks.

use crate::play::{Play, address, field};
use crate::swarm::{PROBE, run, secs, settled, with_token};
use cjp2p_node::node::Config;
use std::time::Duration;

/// A few forged strangers and introductions to a settled node.
#[test]
fn a_trickle_of_forged_strangers_does_not_make_a_settled_node_deaf_to_introductions() {
    let mut followed = Vec::new();
    for forged in [0, 5] {
        let mut play = settled();
        let friend = "1.77.1.1:24254";
        let token = play.token(friend);
        let mut count = 0;
        for n in 0..60_u32 {
            for second in 0..10_u32 {
                for k in 0..forged {
                    let from = format!("{}.{}.{}.9:24254", 101 + n, second, k);
                    play.hear(&from, r#"[{"PleaseSendPeers":{}},{"PleaseAlwaysReturnThisMessage":{"cookie":"x"}}]"#);
                }
                run(&mut play, secs(1), |to| to.to_string().contains(".77."));
            }
            let newcomer = address(&format!("200.{n}.1.1:24254"));
            let text = format!(r#"{{"Peers":{{"peers":["{newcomer}"]}}}}"#);
            let sent = play.hear(friend, &with_token(&text, &token));
            count += usize::from(sent.iter().any(|(to, _)| *to == newcomer));
        }
        followed.push(count);
    }
    assert!(
        followed[1] >= followed[0] / 2,
        "of 60 introductions followed at once, without and with forgery: {followed:?}"
    );
}

/// Forged strangers and how often a settled node asks.
#[test]
fn forged_strangers_do_not_make_a_settled_node_ask_more_often() {
    let mut counts = Vec::new();
    for forges in [false, true] {
        let mut play = settled();
        let mut count = 0;
        for n in 0..360_u32 {
            if forges {
                let from = format!("{}.{}.3.9:24254", 101 + n % 99, n / 99);
                play.hear(&from, r#"[{"PleaseSendPeers":{}},{"PleaseAlwaysReturnThisMessage":{"cookie":"x"}}]"#);
            }
            if n % 30 == 0 {
                (1..=100).for_each(|n| _ = play.verify(&format!("{n}.77.1.1:24254")));
            }
            let sent = run(&mut play, secs(60), |to| to.to_string().contains(".77."));
            count += sent
                .iter()
                .filter(|(_, to, text)| to.to_string().contains(".77.") && text.contains("SendPeers"))
                .count();
        }
        counts.push(count);
    }
    assert!(
        counts[1] <= 2 * counts[0].max(9),
        "questions to peers in six hours, without and with one forged datagram a minute: {counts:?}"
    );
}

/// Ten watchers from five networks.
#[test]
fn neighbours_that_choose_us_do_not_make_us_let_go_of_all_that_we_chose() {
    let mut counts = Vec::new();
    for attackers in [0, 10_u8] {
        let mut play = settled();
        let bad: Vec<_> = (0..attackers).map(|n| format!("{}.99.{n}.1:24254", 200 + n / 2)).collect();
        let mut tokens = Vec::new();
        for minute in 0..60 {
            for third in 0..3 {
                for (n, one) in bad.iter().enumerate() {
                    if minute % 30 == 0 && third == 0 {
                        tokens.truncate(if n == 0 { 0 } else { n });
                        tokens.push(play.verify(one));
                    }
                    play.hear(one, &with_token(PROBE, &tokens[n]));
                }
                run(&mut play, secs(20), |_| true);
            }
        }
        let neighbours: Vec<_> = play.node.peers(play.now, 999).into_iter().filter(|p| p.is_neighbour).collect();
        counts.push(neighbours.iter().filter(|p| p.address.to_string().contains(".77.")).count());
    }
    assert!(
        counts[1] >= 3,
        "honest neighbours after an hour, without and with ten watchers from five networks: {counts:?}"
    );
}

/// Naming peers behind NATs until they are forgotten.
#[test]
fn nobody_can_have_our_peers_forgotten_by_naming_them() {
    let mut counts = Vec::new();
    for is_attacked in [false, true] {
        let mut play = settled();
        let neighbours: Vec<_> =
            play.node.peers(play.now, 999).into_iter().filter(|p| p.is_neighbour).map(|p| p.address).collect();
        let liar = "200.99.1.1:24254";
        let token = play.verify(liar);
        for second in 0..600_u64 {
            if is_attacked {
                let text = format!(r#"{{"Peers":{{"peers":["{}.77.1.1:24254"]}}}}"#, 1 + second % 100);
                play.hear(liar, &with_token(&text, &token));
            }
            run(&mut play, secs(1), |to| neighbours.contains(&to));
        }
        counts.push(play.node.peer_count());
    }
    assert!(counts[1] + 10 >= counts[0], "peers after ten minutes, without and with one who names them: {counts:?}");
}

/// Forged answers in the name of a bootstrap node.
#[test]
fn forged_answers_do_not_keep_out_the_names_of_the_true_one() {
    let mut tried = Vec::new();
    for is_forged in [false, true] {
        let bootstrap = "148.71.89.128:24254";
        let mut play = Play::with(Config { contacts: vec![address(bootstrap)], ..Config::default() });
        let first = play.run(Duration::from_millis(1));
        let probe = field(&first[0].1, "PleaseReturnThisMessage").unwrap();
        if is_forged {
            let names: Vec<_> = (1..=92).map(|n| format!("\"{n}.66.1.1:24254\"")).collect();
            play.hear(bootstrap, &format!(r#"[{{"Peers":{{"peers":[{}]}}}}]"#, names.join(",")));
        }
        play.wait(Duration::from_millis(50));
        let names: Vec<_> = (1..=10).map(|n| format!("\"{n}.77.1.1:24254\"")).collect();
        let mut sent: Vec<_> = play
            .hear(
                bootstrap,
                &format!(r#"[{{"Peers":{{"peers":[{}]}}}},{{"ReturnedMessage":{probe}}}]"#, names.join(",")),
            )
            .into_iter()
            .map(|(to, _)| to)
            .collect();
        sent.extend(run(&mut play, secs(30), |to| to == address(bootstrap)).into_iter().map(|(_, to, _)| to));
        let honest: std::collections::BTreeSet<_> =
            sent.into_iter().filter(|to| to.to_string().contains(".77.")).collect();
        tried.push(honest.len());
    }
    assert!(tried[1] >= 5, "of ten true names tried within 30 s, without and with one forged datagram: {tried:?}");
}

/// A node with 700 honest peers, and one host with as many ports as may be peers, which look in every minute.
fn with_a_landlord() -> (Play, Vec<String>) {
    let mut play = Play::new();
    let honest = |n: u16| format!("{}.77.{}.1:24254", 1 + n % 200, n / 200);
    (0..700).for_each(|n| _ = play.verify(&honest(n)));
    run(&mut play, secs(300), |_| true);
    let ports: Vec<_> = (0..400).map(|n| format!("203.0.113.5:{}", 20_000 + n)).collect();
    for port in &ports {
        let token = play.token(port);
        play.hear(port, &with_token(r#"{"IAmHere":{}}"#, &token));
    }
    play.events();
    (play, ports)
}

/// What is remembered belongs to one host.
#[test]
fn one_host_is_not_all_that_is_remembered() {
    let (mut play, ports) = with_a_landlord();
    for _ in 0..20 {
        run(&mut play, secs(60), |_| true);
        for port in &ports {
            let token = play.token(port);
            play.hear(port, &with_token(r#"{"IAmHere":{}}"#, &token));
        }
    }
    let saved = play.node.saved_peers();
    let his = saved.iter().filter(|a| a.ip().to_string() == "203.0.113.5").count();
    assert!(
        his <= 64,
        "{his} of {} remembered addresses are ports of one host, of {} peers",
        saved.len(),
        play.node.peer_count()
    );
}

/// Who is asked when it is the turn of one who is no neighbour.
#[test]
fn one_host_does_not_get_all_the_questions_meant_for_others_than_neighbours() {
    let (mut play, ports) = with_a_landlord();
    let (mut his, mut others) = (0, 0);
    for minute in 0..12 * 60 {
        if minute % 30 == 0 {
            (0..700_u16).for_each(|n| _ = play.verify(&format!("{}.77.{}.1:24254", 1 + n % 200, n / 200)));
            run(&mut play, secs(150), |_| true);
        }
        let neighbours: Vec<_> =
            play.node.peers(play.now, 60).into_iter().filter(|p| p.is_neighbour).map(|p| p.address).collect();
        for (_, to, text) in run(&mut play, secs(60), |_| true) {
            if text.contains("SendPeers") && !neighbours.contains(&to) {
                *if to.ip().to_string() == "203.0.113.5" { &mut his } else { &mut others } += 1;
            }
        }
        for port in &ports {
            let token = play.token(port);
            play.hear(port, &with_token(r#"{"IAmHere":{}}"#, &token));
        }
        play.events();
    }
    assert!(his <= others, "questions to one host with a quarter of the peers: {his}, to all others: {others}");
}
