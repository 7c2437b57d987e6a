//! Making text from elsewhere safe to print.
//!
//! A line that came from the network may hold escape sequences that reprogram a terminal, bidirectional overrides that
//! make one thing look like another, invisible characters, or a tower of accents over the whole screen. Nothing of that
//! passes here. This module does not judge what a text says and does not try to render it nicely.

/// Accents and other marks that may follow each other; scripts that people write in need three at most.
const MARKS_MAX: usize = 3;

/// Characters that are invisible, change the direction of their neighbours, or end a line, besides the control
/// characters that [`char::is_control`] knows. First and last of each range, in order.
const UNSAFE: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),        // soft hyphen
    ('\u{34f}', '\u{34f}'),      // combining grapheme joiner
    ('\u{600}', '\u{605}'),      // Arabic number signs, which enclose what follows
    ('\u{61c}', '\u{61c}'),      // Arabic letter mark
    ('\u{6dd}', '\u{6dd}'),      // Arabic end of ayah
    ('\u{70f}', '\u{70f}'),      // Syriac abbreviation mark
    ('\u{890}', '\u{891}'),      // Arabic pound and piastre marks
    ('\u{8e2}', '\u{8e2}'),      // Arabic disputed end of ayah
    ('\u{115f}', '\u{1160}'),    // Hangul fillers
    ('\u{17b4}', '\u{17b5}'),    // Khmer inherent vowels
    ('\u{180b}', '\u{180f}'),    // Mongolian variation selectors and vowel separator
    ('\u{200b}', '\u{200f}'),    // zero-width characters, direction marks
    ('\u{2028}', '\u{202e}'),    // line and paragraph separators, embeddings and overrides
    ('\u{2060}', '\u{206f}'),    // word joiner, invisible operators, isolates
    ('\u{3164}', '\u{3164}'),    // Hangul filler
    ('\u{d7a4}', '\u{d7af}'),    // unassigned, next to the Hangul syllables
    ('\u{e000}', '\u{f8ff}'),    // private use: whatever the font of the reader makes of it
    ('\u{fdd0}', '\u{fdef}'),    // no characters
    ('\u{fe00}', '\u{fe0f}'),    // variation selectors
    ('\u{feff}', '\u{feff}'),    // byte order mark
    ('\u{ffa0}', '\u{ffa0}'),    // halfwidth Hangul filler
    ('\u{fff0}', '\u{fffb}'),    // unassigned, annotation characters
    ('\u{fffe}', '\u{ffff}'),    // no characters
    ('\u{110bd}', '\u{110bd}'),  // Kaithi number sign
    ('\u{110cd}', '\u{110cd}'),  // Kaithi number sign above
    ('\u{13430}', '\u{1345f}'),  // Egyptian hieroglyph format controls
    ('\u{1bca0}', '\u{1bca3}'),  // shorthand format controls
    ('\u{1d173}', '\u{1d17a}'),  // musical format controls
    ('\u{e0000}', '\u{10ffff}'), // tags, variation selectors, private use
];

/// Marks that are drawn over, under or around the character before them.
const MARKS: &[(char, char)] = &[
    ('\u{300}', '\u{36f}'),   // combining diacritical marks
    ('\u{483}', '\u{489}'),   // Cyrillic
    ('\u{591}', '\u{5bd}'),   // Hebrew
    ('\u{610}', '\u{61a}'),   // Arabic
    ('\u{64b}', '\u{65f}'),   // Arabic
    ('\u{6d6}', '\u{6dc}'),   // Arabic
    ('\u{e31}', '\u{e31}'),   // Thai
    ('\u{e34}', '\u{e3a}'),   // Thai
    ('\u{e47}', '\u{e4e}'),   // Thai
    ('\u{eb4}', '\u{ebc}'),   // Lao
    ('\u{f71}', '\u{f84}'),   // Tibetan
    ('\u{1ab0}', '\u{1aff}'), // combining diacritical marks extended
    ('\u{1dc0}', '\u{1dff}'), // combining diacritical marks supplement
    ('\u{20d0}', '\u{20ff}'), // combining marks for symbols
    ('\u{3099}', '\u{309a}'), // Japanese voicing marks
    ('\u{a66f}', '\u{a67d}'), // Cyrillic
    ('\u{fe20}', '\u{fe2f}'), // half marks
];

/// Unsafe characters that honest text contains: they join emoji and letters, or choose between two forms of one.
/// Without them it can still be read, so they are left out and leave no trace. First and last of each range, in order.
const LEFT_OUT: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),       // soft hyphen
    ('\u{200c}', '\u{200d}'),   // zero-width non-joiner and joiner
    ('\u{fe00}', '\u{fe0f}'),   // variation selectors
    ('\u{e0100}', '\u{e01ef}'), // more variation selectors
];

/// `text` on one line, without anything that a terminal would act on, at most `max_chars` characters and perhaps `…`.
///
/// White space of every kind becomes a space; other unsafe characters become U+FFFD, so that it shows that something
/// was there; marks beyond three in a row, and what only joins its neighbours, are left out.
pub fn printable(text: &str, max_chars: usize) -> String {
    let mut safe = String::with_capacity(text.len().min(max_chars.saturating_mul(4)));
    let (mut length, mut marks) = (0, 0);
    for c in text.chars() {
        if is_in(LEFT_OUT, c) {
            continue;
        }
        marks = if is_in(MARKS, c) { marks + 1 } else { 0 };
        if marks > MARKS_MAX {
            continue;
        }
        if length == max_chars {
            safe.push('…');
            break;
        }
        length += 1;
        safe.push(match c {
            _ if c.is_whitespace() => ' ',
            _ if is_unsafe(c) => char::REPLACEMENT_CHARACTER,
            _ => c,
        });
    }
    safe
}

/// JSON text on one line, with everything that a terminal would act on written as an escape: still the same JSON.
///
/// In well-formed JSON line breaks and tabs stand between tokens only, and everything else that is unsafe stands in
/// strings only; so a space and an escape change nothing. Of other text it makes something safe and nothing else.
pub fn printable_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => safe.push(' '),
            _ if is_unsafe(c) => {
                for unit in c.encode_utf16(&mut units) {
                    safe.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => safe.push(c),
        }
    }
    safe
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || (!c.is_ascii() && is_in(UNSAFE, c))
}

fn is_in(ranges: &[(char, char)], c: char) -> bool {
    !c.is_ascii() && ranges.iter().any(|(first, last)| (first..=last).contains(&&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_harmless(text: &str) -> bool {
        !text.chars().any(|c| c.is_control() || is_in(UNSAFE, c))
    }

    #[test]
    fn ordinary_text_in_any_script_is_left_alone() {
        for text in ["hello, world", "grüße", "привет", "日本語", "שלום", "नमस्ते", "สวัสดี", "e\u{301}", "🙂 ok"]
        {
            assert_eq!(printable(text, 100), text);
        }
    }

    #[test]
    fn escape_sequences_lose_their_escape() {
        for nasty in
            ["\u{1b}[2J", "\u{1b}]0;title\u{7}", "\u{9b}31m", "\u{1b}P1$r\u{1b}\\", "\u{90}x\u{9c}", "\u{8}\u{8}", "\0"]
        {
            let shown = printable(nasty, 100);
            assert!(is_harmless(&shown), "{shown:?}");
            assert!(shown.contains('\u{fffd}'), "{shown:?}");
        }
    }

    #[test]
    fn nothing_can_begin_a_new_line() {
        let shown = printable("a\nb\r\nc\u{b}d\u{c}e\u{85}f\u{2028}g\u{2029}h\ti", 100);
        assert_eq!(shown, "a b  c d e f g h i");
    }

    #[test]
    fn nothing_turns_the_direction_of_text_or_hides() {
        assert_eq!(printable("\u{2764}\u{fe0f} a\u{200d}b\u{ad}c\u{e0100}", 100), "\u{2764} abc");
        let nasty = "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}\
                     \u{200b}\u{2060}\u{feff}\u{180e}\u{e0041}\u{3164}\u{fff9}";
        assert!(printable(nasty, 100).chars().all(|c| c == '\u{fffd}'));
    }

    #[test]
    fn a_tower_of_accents_is_cut_to_three() {
        let tower = format!("a{}b", "\u{338}".repeat(5_000));
        assert_eq!(printable(&tower, 100), "a\u{338}\u{338}\u{338}b");
        // What is left out carries no tower either.
        for joiner in ['\u{200d}', '\u{fe0f}', '\u{ad}'] {
            let tower = format!("a{}b", format!("{joiner}\u{338}").repeat(5_000));
            assert!(printable(&tower, 100_000) == "a\u{338}\u{338}\u{338}b", "{joiner:?}");
        }
    }

    #[test]
    fn length_is_bounded_and_a_cut_shows() {
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcdefg", 6), "abcdef…");
        assert_eq!(printable("äöü", 2), "äö…");
        assert_eq!(printable("a", 0), "…");
        assert_eq!(printable("", 0), "");
    }

    #[test]
    fn every_character_there_is_comes_out_harmless() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let shown = printable(&c.to_string(), 10);
            assert!(is_harmless(&shown) && shown.chars().count() <= 1, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn json_stays_the_same_json_on_one_line() {
        let json = "[\n\t{\"ChatMessage\":\r\n{\"message\":\"a\u{202e}b\u{7f}\u{9b}2J\u{e0041}ü\"}}]";
        let shown = printable_json(json);
        assert!(is_harmless(&shown), "{shown:?}");
        let before: serde_json::Value = serde_json::from_str(json).unwrap();
        let after: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn the_ranges_are_in_order() {
        for table in [UNSAFE, MARKS, LEFT_OUT] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
