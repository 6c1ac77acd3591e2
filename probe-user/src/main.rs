//! The `flowdrift` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    flowdrift::cli::main()
}
