//! What is fetched by `get`: a content, or the newest version of a file with a name; and where that goes by itself.

use super::ask::order;
use super::live::unexpected;
use super::options::Arguments;
use super::{Failure, hint};
use cjp2p_node::content::ContentId;
use cjp2p_node::request::{GET_PATIENCE, TitleLine, TypedTitle, content_id, is_title, typed_title, wanted_id};
use cjp2p_node::terminal::printable;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The pause between two looks at whether a version has been found.
const PAUSE: Duration = Duration::from_millis(50);

/// What the user wants.
#[derive(Debug)]
pub(super) enum Wanted {
    /// The content with this id.
    Content(ContentId),
    /// The newest version of a file with a name.
    Title(TypedTitle),
}

/// A version that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Whose it is, in hex; `None` of a content that was named by its id.
    pub(super) key: Option<String>,
    pub(super) seq: u64,
    pub(super) id: ContentId,
}

impl Wanted {
    /// What was typed.
    pub(super) fn parse(text: &str) -> Result<Wanted, Failure> {
        match is_title(text) {
            true => typed_title(text).map(Wanted::Title),
            false => wanted_id(text).map(Wanted::Content),
        }
        .map_err(Failure::Mistake)
    }

    /// The file in the current folder that it becomes if the user names none: the id's digits, or the last part of the
    /// name, which somebody else has chosen.
    pub(super) fn default_path(&self) -> Result<PathBuf, Failure> {
        match self {
            Wanted::Content(id) => {
                let text = id.to_string();
                Ok(PathBuf::from(text.rsplit('/').next().unwrap_or(&text)))
            }
            Wanted::Title(title) => {
                let last = title.name.rsplit('/').next().unwrap_or_default();
                let mut parts = Path::new(last).components();
                let is_plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
                // What is hidden may be read by programs that nobody thinks of.
                if is_plain && !last.starts_with(['.', '-']) {
                    return Ok(PathBuf::from(last));
                }
                let name = printable(&title.name, usize::MAX);
                Err(Failure::Mistake(format!("'{name}' makes no good name for a file here; name one with -o")))
            }
        }
    }
}

/// Lets the node look for the newest version of a title, and waits for it.
pub(super) fn seek(arguments: &Arguments, title: &TypedTitle, is_interrupted: &AtomicBool) -> Result<Found, Failure> {
    let patience = arguments.timeout.unwrap_or(GET_PATIENCE).as_secs();
    order(arguments, &format!("/seek {patience} {title}"))?;
    loop {
        if is_interrupted.load(Ordering::Relaxed) {
            return Err(Failure::Impossible("interrupted".to_owned()));
        }
        let lines: Vec<TitleLine> = order(arguments, &format!("/published {title}"))?.read().ok_or_else(unexpected)?;
        match lines.into_iter().next() {
            Some(TitleLine { is_sought: true, .. }) => thread::park_timeout(PAUSE),
            Some(TitleLine { key, seq: Some(seq), sha256: Some(sha256), trouble, .. }) => {
                trouble.into_iter().for_each(|why| hint(arguments, &format!("{}: {why}", shown(title))));
                let id = content_id(&sha256).map_err(Failure::Impossible)?;
                return Ok(Found { key: Some(key), seq, id });
            }
            Some(TitleLine { trouble: Some(why), .. }) => return Err(Failure::Impossible(why)),
            _ => return Err(Failure::Impossible(format!("the node knows nothing of {}", shown(title)))),
        }
    }
}

/// Why the content of a version did not come.
pub(super) fn without_content(title: &TypedTitle, found: &Found, failure: Failure) -> Failure {
    match failure {
        Failure::Impossible(why) => {
            Failure::Impossible(format!("{} is at version {}, but {why}", shown(title), found.seq))
        }
        failure => failure,
    }
}

/// A title, safe for a terminal.
pub(super) fn shown(title: &impl ToString) -> String {
    printable(&title.to_string(), usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

    #[test]
    fn a_name_that_others_chose_becomes_a_file_here_or_none() {
        let path = |name: &str| Wanted::parse(&format!("{KEY}/{name}")).and_then(|wanted| wanted.default_path());
        for (name, file) in
            [("a.html", "a.html"), ("", "index.html"), ("../../etc/passwd", "passwd"), ("sub/page two", "page two")]
        {
            assert_eq!(path(name).unwrap(), Path::new(file), "{name}");
        }
        for name in ["..", ".", "a/..", "a/", "/", ".bashrc", "a/.profile", "-", "-rf"] {
            assert!(matches!(path(name), Err(Failure::Mistake(why)) if why.contains("-o")), "{name}");
        }
        let id = Wanted::parse(&format!("b3/{KEY}")).unwrap();
        assert_eq!(id.default_path().unwrap(), Path::new(KEY));
    }
}
