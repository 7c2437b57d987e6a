//! The command `cjp2p-node`. Everything it can be told is in [`cli`]; everything it does is in the library.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
