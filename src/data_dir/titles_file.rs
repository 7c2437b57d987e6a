//! The text of `published.json` and `followed.json`: `{"names":[{"key":…,"name":…,"standing":…,"latest":{…}},…]}`,
//! where `latest` is the payload of the `SignedMessage` around the newest version.
//!
//! `published.json` is written by `cjp2p-node publish` alone, and says what the user publishes and published once; the
//! numbers of the versions in it are what must never go back. `followed.json` is written by the running node alone, and
//! says what it keeps up to date and what others know of our own names. So nobody writes over what another has written.
//!
//! Pure functions; reading and writing the files is the business of others. An entry that makes no sense, or with a
//! signature that is wrong, means that the file is damaged as a whole.

use crate::identity::PublicKey;
use crate::json;
use crate::titles::table::{FOLLOWED_MAX, PUBLISHED_MAX};
use crate::titles::{Title, Version, is_name};
use crate::wire::messages::SignedMessage;
use crate::wire::{Hex32, Text};
use serde::{Deserialize, Serialize};

/// Entries of a file at most: those of either, with room for keys that were used here before.
const NAMES_MAX: usize = 2 * (PUBLISHED_MAX + FOLLOWED_MAX);

/// The longest file we read: so many entries of at most 3,072 bytes. A name of 255 quotation marks has 510 in the
/// entry, and 1,530 in the signed array, which is a string in a string; the rest of it has 700.
pub const TITLES_FILE_MAX_BYTES: u64 = NAMES_MAX as u64 * 3_072;

/// Why a title is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The user publishes it.
    Published,
    /// The user published it once.
    Withdrawn,
    /// It is kept up to date for the user.
    Followed,
    /// It is one of ours, and others have told us a newer version.
    Outdone,
}

/// A title, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TitleRecord {
    /// Which.
    pub title: Title,
    /// Why it is written down.
    pub standing: Standing,
    /// The newest version, if any is known.
    pub version: Option<Version>,
}

#[derive(Serialize, Deserialize)]
struct TitlesFile<'a> {
    #[serde(borrow)]
    names: Vec<Entry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    key: Hex32,
    #[serde(borrow)]
    name: Text<'a>,
    standing: Standing,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    latest: Option<SignedMessage<'a>>,
}

/// What the text says; `None` if it is damaged.
pub fn parse_titles(bytes: &[u8]) -> Option<Vec<TitleRecord>> {
    let file: TitlesFile<'_> = json::parse(bytes)?;
    file.names.iter().take(NAMES_MAX).map(parse_entry).collect()
}

fn parse_entry(entry: &Entry<'_>) -> Option<TitleRecord> {
    let title = Title { key: PublicKey::new(&entry.key.0).ok()?, name: entry.name.to_string() };
    let version = entry.latest.as_ref().map(Version::open).transpose().ok()?;
    let fits = version.as_ref().is_none_or(|version| version.title == title) && is_name(&title.name);
    fits.then_some(TitleRecord { title, standing: entry.standing, version })
}

/// The text of the file, one line for each title.
pub fn render_titles(records: &[TitleRecord]) -> String {
    let lines: Vec<String> = records.iter().take(NAMES_MAX).map(render_entry).collect();
    format!("{{\"names\":[{}\n]}}\n", lines.join(","))
}

fn render_entry(record: &TitleRecord) -> String {
    let TitleRecord { title, standing, version } = record;
    let latest = version.as_ref().map(Version::envelope);
    let entry = Entry { key: title.key.hex(), name: title.name.as_str().into(), standing: *standing, latest };
    // Strings and numbers always have a JSON form.
    format!("\n  {}", serde_json::to_string(&entry).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::titles::NAME_MAX_BYTES;

    fn record(name: &str, standing: Standing) -> TitleRecord {
        let version = Version::sign(&Identity::from_seed(&[2; 32]), name, [7; 32], u64::MAX).unwrap();
        TitleRecord { title: version.title.clone(), standing, version: Some(version) }
    }

    #[test]
    fn what_is_written_is_what_is_read_and_fits() {
        let longest = "\"".repeat(NAME_MAX_BYTES);
        let mut records: Vec<TitleRecord> = [("a", Standing::Published), ("sub/b c", Standing::Withdrawn)]
            .map(|(name, standing)| record(name, standing))
            .into();
        records.push(TitleRecord { version: None, ..record("c", Standing::Followed) });
        records.push(record(&longest, Standing::Outdone));
        assert_eq!(parse_titles(render_titles(&records).as_bytes()), Some(records.clone()));
        assert_eq!(parse_titles(render_titles(&[]).as_bytes()), Some(Vec::new()));
        let one = render_titles(&records[3..]);
        assert!((one.len() as u64) < TITLES_FILE_MAX_BYTES / NAMES_MAX as u64, "{}", one.len());
    }

    #[test]
    fn what_nobody_has_signed_is_damage() {
        let text = render_titles(&[record("a", Standing::Published)]);
        let title = |text: &str| text.replacen("\"name\":\"a\"", "\"name\":\"b\"", 1);
        for wrong in [
            title(&text),
            text.replace("0707", "0808"),
            text.replace("published", "praised"),
            text.replace("names", "titles"),
            text[..text.len() - 5].to_owned(),
            String::new(),
        ] {
            assert_ne!(wrong, text);
            assert_eq!(parse_titles(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
