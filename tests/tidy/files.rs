//! The files of the repository as text, and ways to look at them. It refuses to understand Rust: the layout that
//! rustfmt gives to the code is all it relies on.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are nobody's work: what is built, found, or kept by git.
const SKIPPED: &[&str] = &[".git", "target", "artifacts", "coverage", "corpus", "data"];

/// A text file.
pub struct File {
    /// Relative to the repository, with slashes.
    pub path: String,
    pub text: String,
}

impl File {
    /// The lines with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The program without comments and without its unit tests, which come last, or make up a whole file.
    pub fn code(&self) -> String {
        let program = self.text.lines().take_while(|line| !["#[cfg(test)]", "#![cfg(test)]"].contains(line));
        program.filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
    }

    /// The functions with their lengths: from the line with `fn` to the brace that closes at the same indentation.
    pub fn functions(&self) -> Vec<(String, usize)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut functions = Vec::new();
        for (start, line) in lines.iter().enumerate() {
            let trimmed = line.trim_start();
            let Some((before, after)) = trimmed.split_once("fn ") else { continue };
            let is_declaration = before.split_whitespace().all(|word| word.starts_with("pub") || word == "const");
            if !is_declaration || trimmed.ends_with(['}', ';']) {
                continue;
            }
            let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
            let length = lines[start..].iter().position(|line| *line == end).map_or(0, |last| last + 1);
            let name = after.split(['(', '<']).next().unwrap_or_default();
            functions.push((name.to_owned(), length));
        }
        functions
    }

    /// Where the links of a page lead, those that stay in the repository.
    pub fn links(&self) -> Vec<String> {
        let targets = self.text.split("](").skip(1).filter_map(|rest| rest.split([')', '\n']).next());
        targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
    }

    /// The anchors of a page, as code hosts make them from headings.
    fn anchors(&self) -> Vec<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
        headings
            .map(|heading| {
                let kept = heading.trim().chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
                kept.collect::<String>().to_lowercase().replace(' ', "-")
            })
            .collect()
    }
}

/// Whether a link in a page leads to a file, and to a heading in it if it names one.
pub fn leads_somewhere(page: &File, link: &str) -> bool {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = Path::new(&page.path).parent().unwrap().to_owned();
    let path = if path.is_empty() { PathBuf::from(&page.path) } else { folder.join(path) };
    let Ok(text) = fs::read_to_string(root().join(&path)) else { return root().join(&path).is_dir() };
    anchor.is_empty() || File { path: String::new(), text }.anchors().iter().any(|known| known == anchor)
}

/// The folder with Cargo.toml in it.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file's text, if it is there.
pub fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// All Rust files in some folders.
pub fn sources(folders: &[&str]) -> Vec<File> {
    let mut files = repository();
    files.retain(|file| {
        let is_inside = folders.iter().any(|folder| file.path.starts_with(&format!("{folder}/")));
        is_inside && file.path.ends_with(".rs")
    });
    files
}

/// All text files that belong to the repository, in order.
pub fn repository() -> Vec<File> {
    let mut files = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if SKIPPED.contains(&name.as_str()) {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The places where a rule is broken.
#[derive(Default)]
pub struct Broken(Vec<String>);

impl Broken {
    pub fn when(&mut self, is_broken: bool, place: &str) {
        if is_broken {
            self.0.push(place.to_owned());
        }
    }
}

/// Looks for places where a rule is broken, and says what to do about them.
pub fn obey(advice: &str, look: impl FnOnce(&mut Broken)) {
    let mut broken = Broken::default();
    look(&mut broken);
    assert!(broken.0.is_empty(), "{advice}:\n  {}", broken.0.join("\n  "));
}

#[test]
fn the_rules_look_at_something() {
    let sources = sources(&["src"]);
    assert!(sources.len() > 20 && sources.iter().any(|file| file.path == "src/lib.rs"));
    let functions: usize = sources.iter().map(|file| file.functions().len()).sum();
    assert!(functions > 200, "{functions} functions found");
    let text = "//! Why.\nfn long() {\n    a;\n}\n#[cfg(test)]\nmod tests {}\n".to_owned();
    let file = File { path: "x.rs".to_owned(), text };
    assert_eq!((file.functions(), file.code()), (vec![("long".to_owned(), 3)], "fn long() {\n    a;\n}\n".to_owned()));
}
