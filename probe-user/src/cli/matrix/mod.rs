//! `flowdrift matrix`: the declared side by itself.

mod diff;
mod draft;
mod endpoints;
mod import;
mod lint;
mod show;

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
    Diff(diff::Arguments),
    Draft(draft::Arguments),
    Endpoints(endpoints::Arguments),
    Import(import::Arguments),
    Lint(lint::Arguments),
    Show(show::Arguments),
    /// Print the JSON Schema of matrices, inventories and exceptions
    Schema,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    match &arguments.command {
        Command::Diff(arguments) => diff::run(arguments),
        Command::Draft(arguments) => draft::run(arguments),
        Command::Endpoints(arguments) => endpoints::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Lint(arguments) => lint::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Schema => {
            println!("{}", serde_json::to_string_pretty(&matrix::schema())?);
            Ok(Exit::Conforms)
        }
    }
}
