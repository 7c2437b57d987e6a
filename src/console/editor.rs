//! The line that is being typed: keys in, a line and a view of it out. It touches no terminal.
//!
//! One row, scrolled sideways when the line is longer: what others print above it can then never land inside it, and
//! nothing has to be known about the rows before. Where it is cut there is a `…`. The usual keys: arrows, Home, End,
//! Delete, Backspace, Ctrl-A, -E, -K, -U and -W, and the lines before with Up and Down. Completion, search and colours
//! are left to programs that need them.

use super::input::LINE_MAX_BYTES;
use crate::terminal::printable;
use std::collections::VecDeque;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Lines that Up brings back; the oldest is forgotten first. At most 600 KB, if all of them are as long as can be.
const HISTORY_MAX: usize = 100;

/// The longest escape sequence that is followed; of a longer one the rest is typed text. The keys we know have 3 bytes
/// at most, those we do not know, with modifiers, up to 8.
const ESCAPE_MAX_BYTES: usize = 16;

/// What stands where the line is cut; one column wide.
const CUT: char = '…';

/// A view that is narrower than this has no room for marks where it is cut.
const MARKED_MIN_COLUMNS: usize = 8;

/// What joins emoji to one, and what makes one of a plain sign. In a line of our own it is shown as it was typed.
const JOINERS: [char; 2] = ['\u{200d}', '\u{fe0f}'];

/// The longest cluster that is shown joined: two people with a colour of skin each, and what they do, have 10.
const CLUSTER_MAX_CHARS: usize = 12;

/// What a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Nothing that concerns others.
    Edit,
    /// Enter: this line is complete.
    Line(String),
    /// Enter, after more than a line can hold.
    TooLong,
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-Z.
    Suspend,
}

/// What is to be seen of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Up to the cursor.
    pub(super) before: String,
    /// From the cursor on.
    pub(super) after: String,
    /// How many columns `before` takes at most: terminals disagree about emoji that are joined.
    pub(super) cursor: usize,
    /// How many columns it takes altogether at most.
    pub(super) width: usize,
}

/// The line, the cursor, and the lines before.
#[derive(Debug, Default)]
pub(super) struct Editor {
    line: String,
    /// In bytes; always between two characters.
    cursor: usize,
    /// Something was typed for which there was no room.
    is_too_long: bool,
    history: VecDeque<String>,
    /// How many lines back we look; 0 is the line itself.
    back: usize,
    /// The line itself, while we look at another.
    draft: String,
    /// The beginning of an escape sequence or of a character in UTF-8.
    begun: Vec<u8>,
}

impl Editor {
    /// Takes one byte from the terminal.
    pub(super) fn feed(&mut self, byte: u8) -> Key {
        match (self.begun.first(), byte) {
            (Some(0x1b), _) => self.escape(byte),
            (Some(_), 0x80..=0xbf) => self.character(byte),
            (_, 0x1b) => self.begun = vec![byte],
            (_, b' '..=0x7e | 0xc2..=0xf4) => {
                self.begun.clear();
                self.character(byte);
            }
            _ => {
                self.begun.clear();
                return self.control(byte);
            }
        }
        Key::Edit
    }

    /// What is to be seen of the line in so many columns.
    pub(super) fn view(&self, columns: usize) -> View {
        // The cursor needs a column of its own behind the last character.
        let room = columns.saturating_sub(1);
        let mark = usize::from(columns >= MARKED_MIN_COLUMNS);
        let (before, after) = self.line.split_at(self.cursor);
        let mut left: VecDeque<(String, usize)> = before.graphemes(true).map(shown).collect();
        let right: Vec<(String, usize)> = after.graphemes(true).map(shown).collect();
        let width_of = |cluster: &(String, usize)| cluster.1;
        let (mut cursor, rest) = (left.iter().map(width_of).sum::<usize>(), right.iter().map(width_of).sum::<usize>());
        let mut view = View::default();
        // What is at the cursor is seen too.
        let at_cursor = right.first().map_or(0, |next| (next.1 + mark).min(rest));
        if cursor + at_cursor > room {
            // Half of the view is kept, so that one sees where one is.
            while cursor + mark > room / 2 {
                let Some((_, width)) = left.pop_front() else { break };
                cursor -= width;
            }
            view.before.extend((mark > 0).then_some(CUT));
            cursor += mark;
        }
        view.before.extend(left.into_iter().map(|(text, _)| text));
        (view.cursor, view.width) = (cursor, cursor);
        let is_cut = cursor + rest > room;
        let room = if is_cut { room.saturating_sub(mark) } else { room };
        for (text, width) in right {
            if view.width + width > room {
                break;
            }
            view.width += width;
            view.after.push_str(&text);
        }
        if is_cut && mark > 0 {
            view.after.push(CUT);
            view.width += mark;
        }
        view
    }

    /// The whole line, safe to print.
    pub(super) fn whole(&self) -> String {
        self.line.graphemes(true).map(|cluster| shown(cluster).0).collect()
    }

    fn control(&mut self, byte: u8) -> Key {
        match byte {
            b'\r' | b'\n' => return self.enter(),
            0x04 if self.line.is_empty() => return Key::End,
            0x1a => return Key::Suspend,
            0x01 => self.cursor = 0,
            0x02 => self.cursor = self.left(),
            0x04 => self.remove(self.cursor, self.right()),
            0x05 => self.cursor = self.line.len(),
            0x06 => self.cursor = self.right(),
            0x08 | 0x7f => self.remove(self.left(), self.cursor),
            b'\t' => self.insert(' '),
            0x0b => self.remove(self.cursor, self.line.len()),
            0x0e => self.look_back(self.back.saturating_sub(1)),
            0x10 => self.look_back(self.back + 1),
            0x15 => self.remove(0, self.cursor),
            0x17 => self.remove(self.word(), self.cursor),
            _ => {}
        }
        Key::Edit
    }

    fn escape(&mut self, byte: u8) {
        self.begun.push(byte);
        let is_open = match self.begun.as_slice() {
            [_, b'[' | b'O'] => true,
            [_, b'[', .., last] => !(0x40..=0x7e).contains(last) && self.begun.len() < ESCAPE_MAX_BYTES,
            _ => false,
        };
        if is_open {
            return;
        }
        match std::mem::take(&mut self.begun).get(1..).unwrap_or_default() {
            b"[A" | b"OA" => self.look_back(self.back + 1),
            b"[B" | b"OB" => self.look_back(self.back.saturating_sub(1)),
            b"[C" | b"OC" => self.cursor = self.right(),
            b"[D" | b"OD" => self.cursor = self.left(),
            b"[H" | b"OH" | b"[1~" | b"[7~" => self.cursor = 0,
            b"[F" | b"OF" | b"[4~" | b"[8~" => self.cursor = self.line.len(),
            b"[3~" => self.remove(self.cursor, self.right()),
            _ => {}
        }
    }

    /// One more byte of a character; what is no UTF-8 is left out.
    fn character(&mut self, byte: u8) {
        self.begun.push(byte);
        match std::str::from_utf8(&self.begun) {
            Ok(text) => text.to_owned().chars().for_each(|c| self.insert(c)),
            Err(error) if error.error_len().is_none() => return,
            Err(_) => {}
        }
        self.begun.clear();
    }

    fn insert(&mut self, c: char) {
        if self.line.len() + c.len_utf8() > LINE_MAX_BYTES {
            self.is_too_long = true;
        } else {
            self.line.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.line.replace_range(from..to, "");
        self.cursor = from;
        self.is_too_long &= !self.line.is_empty();
    }

    fn enter(&mut self) -> Key {
        let line = std::mem::take(&mut self.line);
        (self.cursor, self.back) = (0, 0);
        if std::mem::take(&mut self.is_too_long) {
            return Key::TooLong;
        }
        if !line.trim().is_empty() && self.history.front() != Some(&line) {
            self.history.truncate(HISTORY_MAX - 1);
            self.history.push_front(line.clone());
        }
        Key::Line(line)
    }

    /// Shows the line that was entered so many lines ago, or the one that is being typed.
    fn look_back(&mut self, back: usize) {
        if back > self.history.len() {
            return;
        }
        if self.back == 0 {
            self.draft = std::mem::take(&mut self.line);
        }
        self.back = back;
        let found = back.checked_sub(1).and_then(|index| self.history.get(index)).cloned();
        self.line = found.unwrap_or_else(|| std::mem::take(&mut self.draft));
        self.cursor = self.line.len();
    }

    /// Where what a person takes for the character before the cursor begins, with all that is joined to it.
    fn left(&self) -> usize {
        let mut place = self.cursor;
        while place > 0 {
            let end = place;
            let mut finder = GraphemeCursor::new(end, self.line.len(), true);
            place = finder.prev_boundary(&self.line, 0).ok().flatten().unwrap_or(0);
            if self.line.get(place..end).is_some_and(is_seen) {
                break;
            }
        }
        place
    }

    /// Where what a person takes for the character after the one at the cursor begins.
    fn right(&self) -> usize {
        let after = self.line.get(self.cursor..).unwrap_or_default();
        let next = after.grapheme_indices(true).skip(1).find(|(_, cluster)| is_seen(cluster));
        next.map_or(self.line.len(), |(index, _)| self.cursor + index)
    }

    /// Where the word before the cursor begins.
    fn word(&self) -> usize {
        let before = self.line.get(..self.cursor).unwrap_or_default().trim_end();
        before.rfind(char::is_whitespace).map_or(0, |index| {
            let space = before.get(index..).and_then(|rest| rest.chars().next());
            index + space.map_or(0, char::len_utf8)
        })
    }
}

/// What a person takes for one character as it is shown, and how many columns that takes at most.
fn shown(cluster: &str) -> (String, usize) {
    let text = if cluster.chars().count() <= CLUSTER_MAX_CHARS { joined(cluster) } else { safe(cluster) };
    let apart = text.chars().filter_map(UnicodeWidthChar::width).sum::<usize>();
    let width = text.width().max(apart);
    (text, width)
}

fn is_seen(cluster: &str) -> bool {
    shown(cluster).1 > 0
}

fn safe(text: &str) -> String {
    printable(text, usize::MAX)
}

/// The cluster, safe to print, with what joins its parts.
fn joined(cluster: &str) -> String {
    let mut text = String::new();
    for part in cluster.split_inclusive(JOINERS) {
        text.push_str(&safe(part));
        // Where there is nothing to join, it would be invisible.
        text.extend(part.chars().next_back().filter(|c| JOINERS.contains(c) && !text.is_empty()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that come of these keys.
    fn typed(editor: &mut Editor, keys: &[u8]) -> Vec<Key> {
        keys.iter().map(|byte| editor.feed(*byte)).filter(|key| *key != Key::Edit).collect()
    }

    fn line(keys: &str) -> String {
        let mut editor = Editor::default();
        match typed(&mut editor, format!("{keys}\r").as_bytes()).as_slice() {
            [Key::Line(line)] => line.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_usual_keys_edit_the_line() {
        for (keys, expected) in [
            ("hello", "hello"),
            ("helo\u{1b}[Dl", "hello"),
            ("ello\u{1b}[Hh\u{1b}[F!", "hello!"),
            ("ello\u{1}h\u{5}!", "hello!"),
            ("hexllo\u{1b}OD\u{1b}OD\u{1b}OD\u{7f}", "hello"),
            ("xhello\u{1}\u{1b}[3~", "hello"),
            ("xhello\u{1}\u{4}", "hello"),
            ("hello all of you\u{17}\u{17}", "hello all "),
            ("wrong\u{15}hello", "hello"),
            ("hello there\u{1b}[D\u{1b}[D\u{1b}[D\u{1b}[D\u{1b}[D\u{1b}[D\u{b}", "hello"),
            ("\u{7f}\u{1b}[D\u{1b}[3~\u{17}\u{1b}[Ch", "h"),
            ("grüße e\u{301}x\u{1b}[D\u{7f} 日本\u{7f}", "grüße  日x"),
        ] {
            assert_eq!(line(keys), expected, "{keys:?}");
        }
    }

    #[test]
    fn keys_that_are_not_known_type_nothing() {
        for keys in
            ["\u{1b}[5~", "\u{1b}[1;5C", "\u{1b}OP", "\u{1b}[15~", "\u{1b}x", "\u{1b}[200~", "\u{0}\u{c}\u{1c}\u{1d}"]
        {
            assert_eq!(line(&format!("a{keys}b")), "ab", "{keys:?}");
        }
    }

    #[test]
    fn up_and_down_bring_back_what_was_typed_before() {
        let mut editor = Editor::default();
        typed(&mut editor, b"one\rtwo\rtwo\r  \r");
        let again = typed(&mut editor, b"draft\x1b[A\x1b[A\x1b[A\x1b[B\x1b[B!\r\x1b[A\x1b[A\r");
        assert_eq!(again, [Key::Line("draft!".to_owned()), Key::Line("two".to_owned())]);
        (0..1_000).for_each(|n| _ = typed(&mut editor, format!("{n}\r").as_bytes()));
        assert_eq!(editor.history.len(), HISTORY_MAX);
    }

    #[test]
    fn the_end_and_suspension_are_told_from_text() {
        let mut editor = Editor::default();
        assert_eq!(typed(&mut editor, b"x\x04\x7f\x04\x1a"), [Key::End, Key::Suspend]);
    }

    #[test]
    fn a_line_is_bounded_and_says_so() {
        let mut editor = Editor::default();
        assert_eq!(typed(&mut editor, &[b'x'; LINE_MAX_BYTES + 1]), []);
        assert_eq!(editor.line.len(), LINE_MAX_BYTES);
        assert_eq!(typed(&mut editor, b"\rnext\r"), [Key::TooLong, Key::Line("next".to_owned())]);
    }

    const FAMILY: &str = "👩\u{200d}👩\u{200d}👧";
    const THUMB: &str = "👍🏽";

    #[test]
    fn what_looks_like_one_character_is_one_to_the_keys() {
        for cluster in [FAMILY, THUMB, "❤\u{fe0f}", "🇨🇭", "e\u{301}", "한", "x\u{ad}"] {
            for (keys, expected) in [
                (format!("a{cluster}\u{7f}b"), "ab".to_owned()),
                (format!("a{cluster}\u{1b}[D\u{1b}[3~b"), "ab".to_owned()),
                (format!("a{cluster}\u{1b}[Db"), format!("ab{cluster}")),
                (format!("a{cluster}\u{1}\u{1b}[C\u{1b}[Cb"), format!("a{cluster}b")),
            ] {
                assert_eq!(line(&keys), expected, "{keys:?}");
            }
        }
    }

    #[test]
    fn joined_emoji_are_shown_joined_and_given_room_to_fall_apart() {
        let editor = |line: &str| Editor { line: line.to_owned(), ..Editor::default() };
        for (text, width) in [(FAMILY, 6), (THUMB, 4), ("❤\u{fe0f}", 2), ("e\u{301}", 1)] {
            assert_eq!((editor(text).view(80).after.as_str(), editor(text).view(80).width), (text, width));
            assert_eq!(editor(text).whole(), text);
        }
        let tower = format!("a{}", "\u{200d}\u{301}".repeat(1_000));
        assert_eq!(editor(&tower).whole(), "a\u{301}\u{301}\u{301}");
        assert_eq!(editor("\u{200d}\u{1b}\u{202e}").whole(), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn the_view_fits_and_the_cursor_is_in_it() {
        let texts = ["", "hello", &"日本語".repeat(40), &"x".repeat(300), "e\u{301}\u{202e}\u{1b}", &FAMILY.repeat(30)];
        for text in texts {
            for columns in [0, 1, 2, 5, 8, 10, 80] {
                let mut editor = Editor { line: text.to_owned(), ..Editor::default() };
                for cursor in (0..=text.len()).filter(|index| text.is_char_boundary(*index)) {
                    editor.cursor = cursor;
                    let view = editor.view(columns);
                    let seen = format!("{}{}", view.before, view.after);
                    assert!(view.width < columns.max(1) && view.cursor <= view.width, "{columns}: {view:?}");
                    assert!(seen.width() <= view.width && view.before.width() <= view.cursor, "{columns}: {view:?}");
                    assert!(!seen.contains(['\u{1b}', '\u{202e}']));
                }
            }
        }
        let editor = Editor { line: "hello".to_owned(), cursor: 2, ..Editor::default() };
        let view = View { before: "he".to_owned(), after: "llo".to_owned(), cursor: 2, width: 5 };
        assert_eq!(editor.view(80), view);
        assert_eq!(editor.whole(), "hello");
    }

    #[test]
    fn where_the_line_is_cut_there_is_a_mark_and_nowhere_else() {
        let seen = |cursor: usize| {
            let view = Editor { line: "abcdefghijklmnopqrst".to_owned(), cursor, ..Editor::default() }.view(11);
            format!("{}|{}", view.before, view.after)
        };
        for (cursor, expected) in [
            (0, "|abcdefghi…"),
            (7, "abcdefg|hi…"),
            (9, "…fghi|jklm…"),
            (10, "…ghij|klmn…"),
            (16, "…mnop|qrst"),
            (20, "…qrst|"),
        ] {
            assert_eq!(seen(cursor), expected);
        }
        let fitting = Editor { line: "abcdefghij".to_owned(), cursor: 10, ..Editor::default() };
        assert_eq!(fitting.view(11).before, "abcdefghij");
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut editor = Editor::default();
        let mut state = 1_u32;
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            editor.feed((state >> 24) as u8);
            assert!(editor.line.is_char_boundary(editor.cursor) && editor.begun.len() <= ESCAPE_MAX_BYTES);
        }
        editor.view(80);
    }
}
