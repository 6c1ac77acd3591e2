//! `flowdrift matrix`: the declared side by itself.

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
    /// Print the JSON Schema of matrices, inventories and exceptions
    Schema,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Schema => println!("{}", serde_json::to_string_pretty(&matrix::schema())?),
    }
    Ok(Exit::Conforms)
}
