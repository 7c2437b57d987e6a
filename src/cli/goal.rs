//! Where a fetched content goes: into a file, or to the standard output, for another program to read.
//!
//! To the standard output goes what is whole and checked, as into a file, and never to a terminal: it is what strangers
//! made.

use super::target::{Target, check_unchanged, open_unchanged};
use super::{Failure, KEPT};
use cjp2p_node::request::KeptFile;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What stands for the standard output.
const OUTPUT: &str = "-";

/// Bytes that are printed between two looks at whether we are interrupted.
const CHUNK_BYTES: u64 = 1 << 20;

/// Where a content goes.
#[derive(Debug)]
pub(super) enum Goal {
    File(Target),
    Output,
}

impl Goal {
    /// Makes sure that a content can go there, before anything is fetched.
    pub(super) fn prepare(path: &Path, may_replace: bool) -> Result<Goal, Failure> {
        if !is_output(path) {
            return Target::prepare(path, may_replace).map(Goal::File);
        }
        if io::stdout().is_terminal() {
            return Err(Failure::Impossible(
                "what others made is not printed on a terminal; name a file with -o, or let another program read it"
                    .to_owned(),
            ));
        }
        Ok(Goal::Output)
    }

    /// Brings a content there.
    pub(super) fn reach(self, kept: &KeptFile, is_interrupted: &AtomicBool) -> Result<(), Failure> {
        match self {
            Goal::File(target) if kept.is_loose => target.take(kept),
            Goal::File(target) => target.fill(kept),
            Goal::Output => print(kept, is_interrupted),
        }
    }
}

/// Whether the standard output is meant.
pub(super) fn is_output(path: &Path) -> bool {
    path == Path::new(OUTPUT)
}

/// Prints a content as it is.
fn print(kept: &KeptFile, is_interrupted: &AtomicBool) -> Result<(), Failure> {
    let mut source = open_unchanged(kept)?;
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(Failure::impossible)?);
    let mut left = kept.size;
    while left > 0 {
        if is_interrupted.load(Ordering::Relaxed) {
            return Err(Failure::Impossible(format!("interrupted; {KEPT}")));
        }
        match io::copy(&mut (&mut source).take(left.min(CHUNK_BYTES)), &mut output) {
            Ok(0) => return Err(Failure::Impossible(format!("{} has become shorter", kept.path.display()))),
            Ok(copied) => left -= copied,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Failure::Silent),
            Err(error) => {
                return Err(Failure::Impossible(format!("cannot write to the standard output: {error}; {KEPT}")));
            }
        }
    }
    // Too late to take anything back, but whoever reads it can learn that it is not what was asked for.
    check_unchanged(&source, kept)
}
