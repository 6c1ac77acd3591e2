//! `flowdrift matrix`: the declared side by itself.

mod import;
mod lint;

use anyhow::Result;
use clap::Subcommand;

use super::Exit;
use crate::matrix;

/// Work with declared matrices
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(import::Arguments),
    Lint(lint::Arguments),
    /// Print the JSON Schema of matrices, inventories and exceptions
    Schema,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    match &arguments.command {
        Command::Import(arguments) => import::run(arguments),
        Command::Lint(arguments) => lint::run(arguments),
        Command::Schema => {
            println!("{}", serde_json::to_string_pretty(&matrix::schema())?);
            Ok(Exit::Conforms)
        }
    }
}
