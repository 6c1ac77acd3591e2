//! The edge to the user: raw arguments → resolved settings → call → exit code.

mod audit;
mod declared;
mod doctor;
mod exit;
mod follow;
mod inputs;
mod inventory;
mod live;
mod matrix;
mod output;
mod policy;
mod record;
mod recorder;
mod recordings;
mod threads;
mod would_deny;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// Passive flow auditor: holds what the kernels of your clusters saw against the declared flow matrix.
#[derive(Debug, Parser)]
#[command(name = "flowdrift", version, about, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 conforms, 1 drift, 2 usage or bad input, 3 inconclusive.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Audit(audit::Arguments),
    Record(record::Arguments),
    Doctor(doctor::Arguments),
    Matrix(matrix::Arguments),
    Inventory(inventory::Arguments),
    Policy(policy::Arguments),
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Matrix(arguments) => matrix::run(&arguments),
        Command::Inventory(arguments) => inventory::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
    };
    let exit = result.unwrap_or_else(|error| {
        eprintln!("flowdrift: error: {error:#}");
        Exit::Usage
    });
    exit.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_commands_arguments_fit_together() {
        super::Arguments::command().debug_assert();
    }
}
