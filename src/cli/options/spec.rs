//! What the entries of the table can do: take their part of what was typed, and say how they are used.

use super::Arguments;
use super::table::{COMMANDS, CommandSpec, OptionSpec, Set};
use super::values::shown;
use std::ffi::OsStr;

impl CommandSpec {
    pub(super) fn title(&self) -> String {
        if self.name.is_empty() { "running a node".to_owned() } else { format!("the command {}", self.name) }
    }

    pub(super) fn usage(&self) -> String {
        let words: Vec<&str> = ["cjp2p-node", self.name].into_iter().chain(self.arguments.iter().copied()).collect();
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn check(&self, words: &[String]) -> Result<(), String> {
        if let Some(missing) = self.arguments.get(words.len()).filter(|argument| !argument.starts_with('[')) {
            return Err(format!("{missing} is missing: {}", self.usage()));
        }
        if self.arguments.last().is_some_and(|last| last.ends_with("...]")) {
            return Ok(());
        }
        match words.get(self.arguments.len()) {
            Some(extra) => Err(format!("'{}' is too much: {}", shown(extra.as_ref()), self.usage())),
            None => Ok(()),
        }
    }
}

impl OptionSpec {
    /// Takes this option out of `rest` as often as it is there, and says how often that was.
    pub(super) fn read(&self, rest: &mut pico_args::Arguments, to: &mut Arguments) -> Result<usize, String> {
        let mut times = 0;
        match self.set {
            Set::Flag(set) => {
                while rest.contains(self.long) || self.short.is_some_and(|short| rest.contains(short)) {
                    set(to);
                    times += 1;
                }
            }
            Set::Value(name, set) => {
                let take = |rest: &mut pico_args::Arguments| {
                    let whole = |value: &OsStr| Ok::<_, String>(value.to_owned());
                    match self.short {
                        Some(short) => rest.opt_value_from_os_str([short, self.long], whole),
                        None => rest.opt_value_from_os_str(self.long, whole),
                    }
                };
                while let Some(value) =
                    take(rest).map_err(|_| format!("{} needs a value: {} {name}", self.long, self.long))?
                {
                    set(to, &value).map_err(|why| format!("{}: {why}", self.long))?;
                    times += 1;
                }
            }
        }
        Ok(times)
    }

    /// What it goes with, for a sentence.
    pub(super) fn commands(&self) -> String {
        let specs = COMMANDS.iter().filter(|spec| self.commands.contains(&spec.command));
        let mut names: Vec<&str> =
            specs.map(|spec| if spec.name.is_empty() { "running a node" } else { spec.name }).collect();
        match (names.pop(), names.join(", ")) {
            (Some(last), others) if others.is_empty() => last.to_owned(),
            (last, others) => format!("{others} and {}", last.unwrap_or_default()),
        }
    }

    pub(super) fn usage(&self) -> String {
        let short = self.short.map_or_else(String::new, |short| format!("{short}, "));
        match self.set {
            Set::Flag(_) => format!("{short}{}", self.long),
            Set::Value(name, _) => format!("{short}{} {name}", self.long),
        }
    }
}
