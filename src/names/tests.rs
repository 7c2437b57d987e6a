//! Names and short forms: what is accepted, what is told apart, and what survives a file.

use super::*;
use crate::identity::Identity;
use std::iter::empty;

fn key(n: u8) -> PublicKey {
    Identity::from_seed(&[n; 32]).public()
}

/// Two keys that begin with the same digits, and with how many.
fn alike() -> (PublicKey, PublicKey, usize) {
    let keys: Vec<_> = (0..=255).map(key).collect();
    let pairs = keys.iter().enumerate().flat_map(|(n, one)| keys[..n].iter().map(move |other| (*one, *other)));
    let (one, other) = pairs.max_by_key(|(one, other)| common_digits(one, other)).unwrap();
    (one, other, common_digits(&one, &other))
}

#[test]
fn a_name_is_shown_in_place_of_its_key_and_finds_it_in_either_case() {
    let mut names = Names::default();
    assert_eq!(names.give(key(1), "Alice"), Ok(None));
    assert_eq!(names.show(&key(1), &mut empty()), "Alice");
    for text in ["Alice", "alice", "ALICE"] {
        assert_eq!(names.find(text, &mut empty()), Ok(key(1)), "{text}");
    }
    assert_eq!(names.give(key(1), "alice.2"), Ok(Some("Alice".to_owned())));
    assert!(names.find("Alice", &mut empty()).unwrap_err().contains("nobody is called 'Alice'"));
    assert_eq!(names.take(&key(1)), Some("alice.2".to_owned()));
    assert_eq!((names.take(&key(1)), names.iter().count()), (None, 0));
}

#[test]
fn a_name_belongs_to_one_key() {
    let mut names = Names::default();
    names.give(key(1), "alice").unwrap();
    for other in ["alice", "ALICE"] {
        assert!(names.give(key(2), other).unwrap_err().starts_with("alice is what "), "{other}");
    }
    assert_eq!(names.give(key(1), "alice"), Ok(None), "it is no change");
    assert_eq!(names.of(&key(2)), None);
}

#[test]
fn what_could_be_taken_for_something_else_is_no_name() {
    let long = "x".repeat(NAME_MAX_CHARS + 1);
    let whole = key(1).to_string();
    let wrong = [
        "",
        " ",
        "al ice",
        "1alice",
        "0xabc",
        "192.0.2.1",
        "::1",
        "abcd::1",
        "a:1",
        "[a]",
        "a/b",
        "/a",
        "a>",
        "a(b)",
        "a\u{1b}[2J",
        "a\nb",
        "a\u{202e}b",
        "a\u{200b}",
        "\u{3164}a",
        "\u{115f}",
        "deadbeef",
        "DEADBEEF0",
        &whole,
        &long,
        "-a",
        ".a",
        "a,b",
        "a'b",
        "a\"b",
        "a\\b",
        "…",
    ];
    let mut names = Names::default();
    for name in wrong {
        let why = names.give(key(1), name).unwrap_err();
        assert!(!why.contains(['\n', '\u{1b}', '\u{202e}']), "{name:?}: {why}");
    }
    for name in ["a", "cafe", "Jürgen", "дедушка", "太郎", "alice-2_home.example", &"ü".repeat(NAME_MAX_CHARS)]
    {
        names.give(key(1), name).unwrap();
    }
}

#[test]
fn a_key_without_a_name_is_shown_with_as_many_digits_as_tell_it_from_the_others() {
    let (one, other, common) = alike();
    assert!(common >= 3, "among 256 keys two begin alike");
    let names = Names::default();
    assert_eq!(names.show(&one, &mut [other].into_iter()), format!("{one:.16}…"), "they differ sooner");
    // Two keys that begin with the same twenty digits cannot be made here; that the digits are counted can be seen.
    assert_eq!(common_digits(&one, &one), KEY_DIGITS);
    assert_eq!(&one.to_string()[..common], &other.to_string()[..common]);
    assert_ne!(&one.to_string()[..=common], &other.to_string()[..=common]);
}

#[test]
fn the_beginning_of_one_known_key_is_enough() {
    let names = Names::default();
    let all = || (0..=255).map(key);
    let text = key(7).to_string();
    for typed in
        [&text[..], &text[..8], &text[..63], &format!("0x{text}"), &text.to_uppercase(), &format!("{text:.16}…")]
    {
        assert_eq!(names.find(typed, &mut all()), Ok(key(7)), "{typed}");
    }
    // It is one key, however often it is known.
    assert_eq!(names.find(&text[..8], &mut all().chain(all())), Ok(key(7)));
    assert_eq!(names.find(&text, &mut empty()), Ok(key(7)), "a whole one need not be known");
    for (typed, part) in [
        (&text[..7], "too short for a key: type 8"),
        (&text[..8], "no key that is known here begins with"),
        (&format!("{text}a"), "65 hex digits are too many"),
        ("bob", "nobody is called 'bob'"),
        ("", "too short"),
        (&"0".repeat(64), "cannot be anybody's key"),
    ] {
        let why = names.find(typed, &mut empty()).unwrap_err();
        assert!(why.contains(part), "{typed}: {why}");
    }
}

#[test]
fn two_known_keys_that_begin_so_are_not_guessed_between() {
    let (one, other, common) = alike();
    let names = Names::default();
    let typed = &one.to_string()[..common];
    let why = names.find_beginning(typed, &mut [one, other].into_iter()).unwrap_err();
    assert!(why.contains("more than one key"), "{why}");
    assert_eq!(names.find_beginning(&one.to_string()[..=common], &mut [one, other].into_iter()), Ok(one));
}

#[test]
fn there_is_a_last_name() {
    let mut names = Names::default();
    let many = |n: usize| {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        Identity::from_seed(&seed).public()
    };
    for n in 0..NAMES_MAX {
        names.give(many(n), &format!("{}{n:04}", "ü".repeat(NAME_MAX_CHARS - 4))).unwrap();
    }
    assert!(names.give(many(NAMES_MAX), "one-too-many").unwrap_err().contains("1024 names already"));
    assert_eq!(names.give(many(0), "another"), Ok(Some(format!("{}0000", "ü".repeat(NAME_MAX_CHARS - 4)))));
    let text = names.render();
    assert!(text.len() as u64 <= FILE_MAX_BYTES / 4);
    assert_eq!(Names::parse(text.as_bytes()), Some(names));
}

#[test]
fn what_is_no_entry_is_stepped_over_and_what_is_no_file_is_damaged() {
    let (one, two) = (key(1), key(2));
    let text = format!(
        r#"{{"names":[7,{{"name":"a b","key":"{one}"}},{{"name":"alice","key":"0x{one}","note":"mine"}},
        {{"name":"again","key":"{one}"}},{{"name":"ALICE","key":"{two}"}},{{"name":"x","key":"y"}}]}}"#
    );
    let names = Names::parse(text.as_bytes()).unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), [(one, "alice")]);
    assert_eq!(Names::parse(Names::default().render().as_bytes()), Some(Names::default()));
    for damage in ["", "[]", "{}", "{\"names\":{}}", "{\"names\":[", "\u{fffd}"] {
        assert_eq!(Names::parse(damage.as_bytes()), None, "{damage}");
    }
}
