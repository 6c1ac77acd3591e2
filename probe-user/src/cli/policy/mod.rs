//! `flowdrift policy`: the tightest policy that lets through what was declared and observed, and what a policy would do.

mod check;
mod diff;
mod documents;
mod folder;
mod generate;
mod nft;

pub(super) use documents::{Documents, enforced};

use std::path::PathBuf;

use anyhow::Result;
use clap::{
    Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{
    Exit,
    declared::{Declared, DeclaredFiles},
    recordings,
};
use crate::{
    flow::Window,
    judge::Case,
    policy::{Tightness, World, language::Language},
};

/// Make the tightest policies that let through what was declared and observed, or say what policies would do
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    generate: Option<generate::Generate>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Arguments),
    Diff(diff::Arguments),
}

/// Runs the subcommand, or makes policies.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    match arguments {
        Arguments { command: Some(Command::Check(arguments)), .. } => check::run(arguments),
        Arguments { command: Some(Command::Diff(arguments)), .. } => diff::run(arguments),
        Arguments { generate: Some(arguments), .. } => generate::run(arguments),
        Arguments { command: None, generate: None } => {
            anyhow::bail!("needs --matrix, --inventory and --from, or one of `check` and `diff`")
        }
    }
}

/// What is declared, and what was observed.
#[derive(Clone, Debug, clap::Args)]
struct Evidence {
    #[command(flatten)]
    declared: DeclaredFiles,
    /// Recordings
    #[arg(long, required = true, num_args = 1.., value_name = "RECORDING")]
    from: Vec<PathBuf>,
}

/// The same, read whole.
struct Read {
    declared: Declared,
    windows: Vec<Window>,
}

impl Evidence {
    fn read(&self) -> Result<Read> {
        let declared = self.declared.read()?;
        let (windows, _) = recordings::read_all(&self.from, declared.rows.rows().inventory())?;
        Ok(Read { declared, windows })
    }
}

impl Read {
    fn case(&self) -> Case<'_> {
        Case {
            declared: &self.declared.rows,
            baseline: &self.declared.baseline,
            exceptions: self.declared.exceptions.as_deref(),
            windows: &self.windows,
            strict: false,
        }
    }

    fn world(&self) -> World<'_> {
        World::new(self.declared.rows.rows().inventory(), &self.declared.clusters)
    }
}

/// The languages, by their names.
fn format() -> impl TypedValueParser<Value = Language> {
    let value = |language: Language| PossibleValue::new(language.name()).help(language.title());
    let named = |name: String| Language::ALL.into_iter().find(|language| language.name() == name);
    PossibleValuesParser::new(Language::ALL.map(value))
        .try_map(move |name| named(name).ok_or("no such language"))
}

/// How wide rules may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Dial {
    /// The addresses and ports that were seen
    Exact,
    /// What the inventory calls by one name, as far as the rows declare it, and the rows' ranges of ports
    #[default]
    Inventory,
    /// What the rows declare
    Declared,
}

impl From<Dial> for Tightness {
    fn from(dial: Dial) -> Self {
        match dial {
            Dial::Exact => Self::Exact,
            Dial::Inventory => Self::Inventory,
            Dial::Declared => Self::Declared,
        }
    }
}
