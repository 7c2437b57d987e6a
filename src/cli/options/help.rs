//! What `--help` says, made from the table.

use super::table::{COMMANDS, Command, OPTIONS, OptionSpec};
use std::fmt::Write;

/// What `--help` says, in general or about one command.
pub(crate) fn help(command: Command) -> String {
    let mut text = String::new();
    if command == Command::Run {
        text.push_str("A node for LCDP, the Lowest Common Denominator Protocol.\n\n");
        for spec in COMMANDS {
            push(&mut text, &spec.usage(), 28, spec.help);
        }
    } else {
        for spec in COMMANDS.iter().filter(|spec| spec.command == command) {
            push(&mut text, &spec.usage(), 28, spec.help);
        }
    }
    text.push_str("\nOptions:\n");
    for spec in OPTIONS.iter().filter(|spec| command == Command::Run || spec.commands.contains(&command)) {
        push(&mut text, &spec.usage(), 16, &with_commands(spec, command));
    }
    if command == Command::Run {
        text.push_str(
            "\nAn ADDR is like 192.0.2.1:24254 or [2001:db8::1]:24254; without a port it means port 24254.\n",
        );
        text.push_str("RUST_LOG sets the log level too, for instance RUST_LOG=debug.\n");
    }
    text
}

/// The help for an option; in the general list, with the commands that it goes with.
fn with_commands(spec: &OptionSpec, command: Command) -> String {
    if command != Command::Run || spec.commands.contains(&Command::Run) {
        return spec.help.to_owned();
    }
    let names = COMMANDS.iter().filter(|known| spec.commands.contains(&known.command)).map(|known| known.name);
    format!("{}: {}", names.collect::<Vec<_>>().join(", "), spec.help)
}

fn push(text: &mut String, usage: &str, width: usize, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {usage:width$}  {help}");
}
